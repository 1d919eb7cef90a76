// Stock OpenTelemetry instrumentations under the agent: what they make arrives, and nothing is observed twice.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hex } from '../decoded-records.ts';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { type Run, run } from './application.ts';
import { arrivedAt } from './arrived.ts';

const application = join(root, 'test/register/apps/stock.cjs');

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

function observed(list: string, env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return run(application, {
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, TRICORD_OTEL_INSTRUMENTATIONS: list, ...env },
  });
}

const namesOfSpans = (): string[] =>
  arrivedAt(collector)
    .spans.map(({ name }) => name)
    .sort();

describe('a stock instrumentation under the agent', () => {
  it('makes spans in the traces of ours, by its short name', async () => {
    assert.deepEqual(await observed('generic-pool'), { code: 0, signal: null, stdout: '', stderr: '' });
    assert.deepEqual(namesOfSpans(), ['GET', 'GET', 'generic-pool.acquire']);
    const { spans } = arrivedAt(collector);
    const [server] = spans.filter(({ kind }) => kind === 2);
    const [acquired] = spans.filter(({ name }) => name === 'generic-pool.acquire');
    assert.equal(hex(acquired!.parentSpanId), hex(server!.spanId));
  });

  it('comes with all others, but for those that ours cover', async () => {
    const { code, stderr } = await observed('all');
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(
      namesOfSpans().filter(name => name === 'GET'),
      ['GET', 'GET'],
    );
    assert.ok(namesOfSpans().includes('generic-pool.acquire'));
  });

  it('is left out of all others where it is excepted', async () => {
    const { code, stderr } = await observed('all,-generic-pool,-net,-dns');
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(namesOfSpans(), ['GET', 'GET']);
  });

  it('is refused where ours observes the same, and takes its place where ours is off', async () => {
    const { stderr } = await observed('http,generic-pool');
    assert.equal(
      stderr,
      "tricord: TRICORD_OTEL_INSTRUMENTATIONS: http is refused, as http-server and http-client of tricord's observe the same; " +
        'TRICORD_INSTRUMENTATIONS=-http-server,-http-client makes room for it.\n',
    );
    assert.deepEqual(namesOfSpans(), ['GET', 'GET', 'generic-pool.acquire']);
  });

  it('says how to install what is missing, what exports none, and goes on', async () => {
    const { code, stderr } = await observed('mongose,express,@opentelemetry/api,generic-pool');
    assert.equal(code, 0);
    const [missing, covered, none, ...rest] = stderr.split('\n');
    assert.match(
      missing!,
      /: @opentelemetry\/instrumentation-mongose is not among the application's packages; npm install @open/,
    );
    assert.match(covered!, /: express is refused/);
    assert.match(none!, /the instrumentation @opentelemetry\/api failed: .*exports no instrumentation/);
    assert.deepEqual(rest, ['']);
    assert.deepEqual(namesOfSpans(), ['GET', 'GET', 'generic-pool.acquire']);
  });
});
