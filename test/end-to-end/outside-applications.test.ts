// Applications outside the repository, which know nothing of the agent, under the built agent and a built collector.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { root } from '../source-tree.ts';
import { type Collector, eventually, Stack } from './stack.ts';

const agent = join(root, 'dist/register.js');
const dependencies = ['express', 'fastify', 'pino', 'prom-client'];

/** Copies the applications into a folder of their own, with their own dependencies, of which the agent is none. */
async function install(folder: string): Promise<void> {
  await cp(join(root, 'test/register/apps'), folder, { recursive: true });
  await mkdir(join(folder, 'node_modules'));
  for (const name of dependencies)
    await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'dir');
}

describe('an application outside the repository', { concurrency: 2 }, () => {
  const stack = new Stack();
  let folder = '';
  let collector: Collector;

  before(async () => {
    folder = await stack.folder();
    await install(folder);
    collector = await stack.collector(await stack.folder());
  });

  after(() => stack.end());

  const flags = ['--require', '--import'];
  const applications = ['express.cjs', 'express.mjs', 'fastify.cjs', 'fastify.mjs'];
  for (const [flag, application] of flags.flatMap(one => applications.map(name => [one, name] as const))) {
    it(`appears with its route: ${flag}, ${application}`, async () => {
      const service = `${application}${flag}`;
      const env = {
        PATH: process.env.PATH,
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.endpoints.grpc}`,
        OTEL_SERVICE_NAME: service,
      };
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [flag, agent, application], {
        cwd: folder,
        env,
      });
      assert.equal(stderr, '');
      const { trace_id: traceId } = JSON.parse(stdout) as { trace_id: string };
      const found = await eventually(async () => {
        const spans = await collector.trace(traceId);
        assert.equal(spans.length, 2);
        return spans.map(span => [span.service, span.name, span.attributes['http.route']]);
      });
      const expected = [
        [service, 'GET /users/:id', '/users/:id'],
        [service, 'GET', undefined],
      ];
      assert.deepEqual(found.sort(), expected);
    });
  }
});
