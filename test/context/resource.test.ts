// The resource names the service, the process and the machine; what is configured wins over what is found.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Resource, ResourceOptions } from '../../src/context/resource.ts';
import { containerIdOf, detectResource, parseResourceAttributes } from '../../src/context/resource.ts';

const run = promisify(execFile);
const get = (resource: Resource, key: string) => resource.values[resource.keys.indexOf(key)];
const detect = (options: ResourceOptions = {}) => detectResource({ env: {}, ...options });

describe('the resource', () => {
  it('describes the process, the host and the SDK', () => {
    const resource = detect();
    assert.equal(get(resource, 'process.pid'), process.pid);
    assert.equal(get(resource, 'process.runtime.version'), process.versions.node);
    assert.equal(get(resource, 'host.name'), os.hostname());
    assert.equal(get(resource, 'telemetry.sdk.name'), 'tricord');
    assert.equal(get(resource, 'telemetry.sdk.language'), 'nodejs');
    assert.match(String(get(resource, 'telemetry.sdk.version')), /^\d+\.\d+\.\d+/);
    assert.match(String(get(resource, 'service.instance.id')), /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    assert.equal(resource.keys.length, resource.count);
    assert.equal(new Set(resource.keys).size, resource.count);
    assert.ok(resource.values.every(value => value !== undefined && value !== ''));
  });

  it('says only what the detectors are asked for', () => {
    const env = { OTEL_RESOURCE_ATTRIBUTES: 'team=a', OTEL_SERVICE_NAME: 'shop' };
    const all = detect({ env });
    const beginning = (resource: Resource, prefix: string): boolean =>
      resource.keys.some(key => key.startsWith(prefix));
    const parts = {
      env: 'team',
      host: 'host.',
      os: 'os.',
      process: 'process.',
      serviceinstance: 'service.instance.',
    };
    for (const [detector, prefix] of Object.entries(parts)) {
      assert.ok(beginning(all, prefix), detector);
      const one = detect({ env, detectors: [detector] });
      const others = Object.values(parts).filter(other => other !== prefix);
      assert.deepEqual(
        [beginning(one, prefix), others.some(other => beginning(one, other))],
        [true, false],
        detector,
      );
    }
    const none = detect({ env, detectors: ['all', 'none'] });
    assert.ok(!Object.values(parts).some(prefix => beginning(none, prefix)));
    assert.deepEqual([get(none, 'service.name'), get(none, 'telemetry.sdk.name')], ['shop', 'tricord']);
  });

  it('takes the name of the service from OTEL_SERVICE_NAME before OTEL_RESOURCE_ATTRIBUTES', () => {
    const env = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=b,deployment.environment.name=a%20b' };
    assert.equal(get(detect({ env }), 'service.name'), 'b');
    assert.equal(get(detect({ env }), 'deployment.environment.name'), 'a b');
    assert.equal(get(detect({ env: { ...env, OTEL_SERVICE_NAME: 'a' } }), 'service.name'), 'a');
    assert.equal(get(detect({ env, serviceName: 'c' }), 'service.name'), 'c');
    assert.equal(get(detect({ env, attributes: { 'service.name': 'd' } }), 'service.name'), 'd');
    assert.equal(get(detect({ attributes: { 'telemetry.sdk.name': 'x' } }), 'telemetry.sdk.name'), 'tricord');
  });

  it('takes it from the package.json that lies nearest above the application', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'resource-'));
    try {
      const inner = path.join(directory, 'src', 'deep');
      await mkdir(inner, { recursive: true });
      await writeFile(path.join(directory, 'package.json'), '{"name":"my-shop","version":"1.2.3"}');
      await writeFile(path.join(directory, 'src', 'package.json'), '{"type":"module"}');
      await writeFile(path.join(inner, 'package.json'), 'not json');
      const source = new URL('../../src/context/resource.ts', import.meta.url);
      const script = `import { detectResource } from '${source}'; console.log(JSON.stringify(detectResource({ env: {} })));`;
      const file = path.join(inner, 'main.mjs');
      await writeFile(file, script);
      const resource = JSON.parse((await run(process.execPath, [file])).stdout);
      assert.equal(get(resource, 'service.name'), 'my-shop');
      assert.equal(get(resource, 'service.version'), '1.2.3');
      await rm(path.join(directory, 'package.json'));
      const nameless = JSON.parse((await run(process.execPath, [file])).stdout);
      assert.equal(get(nameless, 'service.name'), 'unknown_service:node');
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('OTEL_RESOURCE_ATTRIBUTES', () => {
  it('is a list of percent-encoded pairs', () => {
    assert.deepEqual(
      { ...parseResourceAttributes(' a=1 , b=x%3Dy%2C,c=,d=%zz, ') },
      { a: '1', b: 'x=y,', c: '', d: '%zz' },
    );
    assert.deepEqual(Object.entries(parseResourceAttributes('__proto__=x')), [['__proto__', 'x']]);
  });

  it('that is malformed is ignored as a whole', () => {
    assert.deepEqual({ ...parseResourceAttributes('a=1,b') }, {});
    assert.deepEqual({ ...parseResourceAttributes('a=1,=2') }, {});
  });
});

describe('the container ID', () => {
  const id = '0123456789abcdef'.repeat(4);

  it('is found in the paths of either cgroup version', () => {
    for (const cgroup of [
      `12:pids:/docker/${id}`,
      `1:name=systemd:/kubepods/burstable/pod1-2/${id}`,
      `0::/system.slice/docker-${id}.scope`,
      `0::/kubepods.slice/cri-containerd-${id}.scope/init`,
    ])
      assert.equal(containerIdOf(`0::/\n${cgroup}\n`, ''), id, cgroup);
    assert.equal(
      containerIdOf('0::/\n', `5 4 0:1 /var/lib/docker/containers/${id}/hostname /etc/hostname rw`),
      id,
    );
  });

  it('is nothing where there is none', () => {
    assert.equal(containerIdOf('0::/user.slice/user-1000.slice\n', '5 4 0:1 / / rw'), undefined);
    assert.equal(containerIdOf(`0::/${id}0`, `/containers/${id.slice(1)}/hostname`), undefined);
  });
});
