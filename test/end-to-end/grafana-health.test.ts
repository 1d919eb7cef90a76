// The four calls by which Grafana decides that a data source works, on a collector with ports and paths of one's own.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Json } from '../json.ts';
import { Stack } from './stack.ts';

describe('a collector started with a configuration file', () => {
  const stack = new Stack();
  let url = '';

  before(async () => {
    const folder = await stack.folder();
    const file = join(folder, 'collector.yaml');
    await writeFile(
      file,
      `receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:0 }
      http: { endpoint: 127.0.0.1:0 }
exporters:
  store: { path: ${join(folder, 'store')} }
service:
  web: { endpoint: 127.0.0.1:0 }
  pipelines:
    traces: { receivers: [otlp], exporters: [store] }
    metrics: { receivers: [otlp], exporters: [store] }
    logs: { receivers: [otlp], exporters: [store] }
`,
    );
    const args = ['collector/dist/main.js', '--config', file, '--data-dir', join(folder, 'data')];
    const { readyLine } = await stack.start('collector', '.', args, {}, /"msg":"ready"/);
    url = `http://${(JSON.parse(readyLine) as { endpoints: { web: string } }).endpoints.web}`;
  });
  after(() => stack.end());
  async function ask(path: string): Promise<Json> {
    const response = await fetch(url + path);
    assert.equal(response.status, 200, path);
    return response.json();
  }

  it('is healthy as Prometheus', async () => {
    const { status, data } = await ask('/prometheus/api/v1/query?query=1%2B1&time=4');
    assert.equal(status, 'success');
    assert.deepEqual(
      { ...data, stats: undefined },
      { resultType: 'scalar', result: [4, '2'], stats: undefined },
    );
    assert.deepEqual((await ask('/prometheus/api/v1/status/buildinfo')).data.features, {});
  });

  it('is healthy as Loki', async () => {
    const { data } = await ask(
      '/loki/api/v1/query?query=vector(1)%2Bvector(1)&direction=backward&time=4000000000',
    );
    assert.equal(data.resultType, 'vector');
    assert.equal(data.result.length, 1);
    assert.equal(data.result[0].value[1], '2');
  });

  it('is healthy as Tempo', async () => {
    const response = await fetch(`${url}/tempo/api/echo`);
    assert.equal(response.status, 200);
    await response.text();
  });

  it('is healthy as Jaeger', async () => {
    assert.deepEqual((await ask('/jaeger/api/services')).data, []);
  });
});
