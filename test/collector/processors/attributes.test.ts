// The attributes processor: what it changes, and that everything else stays byte for byte.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkRequest, decodeLogs, decodeTraces, Signal } from 'tricord/otlp';
import type { Processor, QueuedBatch } from '../../../collector/component.ts';
import { Log } from '../../../collector/log.ts';
import { attributesProcessor } from '../../../collector/processors/attributes/attributes-processor.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import { logsRequest, traceRequest } from '../requests.ts';

const context = {
  id: 'attributes',
  dataDir: '',
  log: new Log(() => undefined),
  telemetry: new SelfTelemetry(),
};

const processor = (...actions: object[]): Promise<Processor> =>
  attributesProcessor.create(attributesProcessor.schema.parse({ actions }), context);

const batch = (signal: Signal, payload: Uint8Array): QueuedBatch => ({
  signal,
  payload,
  items: 1,
  position: 1n,
  receivedAt: 0,
});

/** The attributes of each span, as entries. */
async function after(request: Buffer, ...actions: object[]): Promise<(readonly [string, unknown])[][]> {
  const result = (await processor(...actions)).process(batch(Signal.traces, request))!;
  checkRequest(Signal.traces, result.payload);
  const spans: (readonly [string, unknown])[][] = [];
  decodeTraces(result.payload, {
    span: span => spans.push(span.attributes.map(({ key, value }) => [key, value] as const)),
  });
  return spans;
}

const one = traceRequest(['one']);

describe('the attributes processor', () => {
  it('inserts only what is not there, updates only what is, and upserts either', async () => {
    const [inserted] = await after(
      one,
      { key: 'http.route', action: 'insert', value: 'no' },
      { key: 'region', action: 'insert', value: 'eu' },
    );
    assert.deepEqual(inserted, [
      ['http.route', '/items'],
      ['region', 'eu'],
    ]);
    const [updated] = await after(
      one,
      { key: 'http.route', action: 'update', value: '/x' },
      { key: 'region', action: 'update', value: 'no' },
    );
    assert.deepEqual(updated, [['http.route', '/x']]);
    const [upserted] = await after(
      one,
      { key: 'http.route', action: 'upsert', value: 7 },
      { key: 'list', action: 'upsert', value: ['a', true] },
    );
    assert.deepEqual(upserted, [
      ['http.route', 7],
      ['list', ['a', true]],
    ]);
  });

  it('deletes, and copies the value of another attribute', async () => {
    const [copied] = await after(
      one,
      { key: 'route', action: 'insert', from_attribute: 'http.route' },
      { key: 'nothing', action: 'insert', from_attribute: 'not.there' },
      { key: 'http.route', action: 'delete' },
    );
    assert.deepEqual(copied, [['route', '/items']]);
  });

  it('changes every span, however much longer they become', async () => {
    const names = Array.from({ length: 500 }, (_, i) => `span ${i}`);
    const spans = await after(traceRequest(names), { key: 'k', action: 'insert', value: 'x'.repeat(1000) });
    assert.equal(spans.length, 500);
    assert.ok(spans.every(attributes => attributes.length === 2));
  });

  it('works on log records', async () => {
    const act = await processor({ key: 'env', action: 'insert', value: 'test' });
    const { payload } = act.process(batch(Signal.logs, logsRequest(['a', 'b'])))!;
    const keys: string[][] = [];
    decodeLogs(payload, { logRecord: record => keys.push(record.attributes.map(({ key }) => key)) });
    assert.deepEqual(keys, [['env'], ['env']]);
  });

  it('hands on the same batch when nothing changes, and metrics always', async () => {
    const act = await processor({ key: 'not.there', action: 'delete' });
    for (const same of [batch(Signal.traces, one), batch(Signal.metrics, new Uint8Array(3))]) {
      assert.equal(act.process(same), same);
    }
  });

  it('keeps unknown fields', async () => {
    const unknown = Buffer.from([0xfa, 0x01, 2, 1, 2]);
    const act = await processor({ key: 'k', action: 'insert', value: 1 });
    const { payload } = act.process(batch(Signal.traces, Buffer.concat([one, unknown])))!;
    assert.deepEqual(Buffer.from(payload.subarray(-unknown.length)), unknown);
  });

  it('refuses actions that say too little or too much', () => {
    for (const action of [
      { key: 'k', action: 'insert' },
      { key: 'k', action: 'delete', value: 1 },
      { key: 'k', action: 'upsert', value: 1, from_attribute: 'x' },
      { key: 'k', action: 'hash' },
    ]) {
      assert.equal(attributesProcessor.schema.safeParse({ actions: [action] }).success, false);
    }
  });
});
