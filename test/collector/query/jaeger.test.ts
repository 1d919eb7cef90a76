// Jaeger's API over a real store: what is asked as Grafana asks it, answered in Jaeger's model, over HTTP.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Signal } from 'tricord/otlp';
import { Log } from '../../../collector/log.ts';
import { jaegerRoutes } from '../../../collector/query/jaeger.ts';
import { WebServer } from '../../../collector/web/server.ts';
import { StaticFiles } from '../../../collector/web/static-files.ts';
import {
  batchOf,
  keyValues,
  openStore,
  spanBatch,
  spanId,
  temporaryDirectory,
  traceId,
} from '../store/fixtures.ts';

const now = Date.now();
const MICROS = now * 1000;

/** One span with everything that Jaeger's model has no field for. */
const rich = {
  resourceSpans: [
    {
      resource: { attributes: keyValues({ 'service.name': 'billing', 'host.name': 'a', 'process.pid': 7 }) },
      scopeSpans: [
        {
          scope: { name: 'http', version: '1.2' },
          spans: [
            {
              traceId: traceId(3),
              spanId: spanId(31),
              parentSpanId: spanId(30),
              traceState: 'ot=th:8',
              flags: 0x101,
              name: 'charge',
              kind: 2,
              startTimeUnixNano: '1700000000123456789',
              endTimeUnixNano: '1700000000123459999',
              status: { code: 2, message: 'card refused' },
              droppedAttributesCount: 4,
              attributes: [
                ...keyValues({ tenant: 'acme', items: 3, load: 0.5, cached: true }),
                { key: '__proto__', value: { stringValue: 'own' } },
                { key: 'big', value: { intValue: '9007199254740993' } },
                { key: 'nan', value: { doubleValue: 'NaN' } },
                { key: 'raw', value: { bytesValue: Buffer.from('hi').toString('base64') } },
                { key: 'list', value: { arrayValue: { values: [{ stringValue: 'a' }, { intValue: '1' }] } } },
                { key: 'empty' },
              ],
              events: [
                { timeUnixNano: '1700000000123457000', name: 'retry', attributes: keyValues({ attempt: 2 }) },
                {
                  timeUnixNano: '1700000000123458000',
                  name: 'named',
                  attributes: keyValues({ event: 'own' }),
                },
              ],
              links: [{ traceId: traceId(8), spanId: spanId(9) }],
            },
            { traceId: traceId(3), spanId: spanId(32), name: 'bare', parentSpanId: '0000000000000000' },
          ],
        },
      ],
    },
  ],
};

describe("Jaeger's API", () => {
  let server: WebServer;
  let url = '';
  const stops: (() => Promise<void>)[] = [];
  after(async () => {
    await server?.stop();
    for (const stop of stops) await stop();
  });

  before(async () => {
    const suite = { after: (stop: () => Promise<void>) => stops.push(stop) };
    const { exporter } = await openStore(suite, await temporaryDirectory(suite));
    await exporter.export([
      spanBatch('shop', [
        {
          traceId: traceId(1),
          spanId: spanId(1),
          name: 'GET /orders',
          kind: 2,
          start: now,
          duration: 120,
          attributes: { 'http.response.status_code': 200, tenant: 'acme', cached: true },
        },
        {
          traceId: traceId(2),
          spanId: spanId(4),
          name: 'POST /orders',
          kind: 2,
          start: now + 10,
          duration: 30,
          status: { code: 2, message: 'out of stock' },
          attributes: { 'http.response.status_code': 500, tenant: '200' },
        },
        {
          traceId: traceId(1),
          spanId: spanId(2),
          parentSpanId: spanId(1),
          name: 'GET /orders',
          kind: 3,
          start: now + 1,
        },
      ]),
      spanBatch('inventory', [
        { traceId: traceId(1), spanId: spanId(3), parentSpanId: spanId(2), name: 'stock', start: now + 2 },
        { traceId: traceId(1), spanId: spanId(5), parentSpanId: spanId(2), name: 'stock', start: now + 3 },
        { traceId: traceId(1), spanId: spanId(6), parentSpanId: spanId(5), name: 'query', start: now + 4 },
      ]),
    ]);
    await exporter.store.flush();
    await exporter.export([batchOf(Signal.traces, rich)]);
    server = new WebServer({
      endpoint: { host: '127.0.0.1', port: 0 },
      allowedHosts: [],
      files: new StaticFiles(new Map()),
      log: new Log(() => undefined),
    });
    server.mount(jaegerRoutes(exporter.store));
    await server.start();
    url = `http://${server.address()}/jaeger/api`;
  });

  // biome-ignore lint/suspicious/noExplicitAny: answers of the API, looked into by the assertions
  const ask = async (path: string, query: Record<string, string> = {}): Promise<[number, any]> => {
    const response = await fetch(`${url}${path}?${new URLSearchParams(query)}`);
    return [response.status, await response.json()];
  };

  // biome-ignore lint/suspicious/noExplicitAny: as above
  const data = async (path: string, query?: Record<string, string>): Promise<any> => {
    const [status, answer] = await ask(path, query);
    assert.equal(status, 200, JSON.stringify(answer));
    assert.deepEqual(
      { ...answer, data: [] },
      { data: [], total: answer.data.length, limit: 0, offset: 0, errors: null },
    );
    return answer.data;
  };

  const refused = async (path: string, query: Record<string, string>, status: number, about: RegExp) => {
    const [actual, { errors, ...answer }] = await ask(path, query);
    assert.deepEqual([actual, answer], [status, { data: null, total: 0, limit: 0, offset: 0 }]);
    assert.equal(errors[0].code, status);
    assert.match(errors[0].msg, about);
  };

  describe('services and operations', () => {
    it('lists the services', async () => {
      assert.deepEqual(await data('/services'), ['billing', 'inventory', 'shop']);
    });

    it("lists a service's operations once, whatever their kinds", async () => {
      assert.deepEqual(await data('/services/shop/operations'), ['GET /orders', 'POST /orders']);
      assert.deepEqual(await data('/services/nobody/operations'), []);
    });

    it('lists operations with their kinds, and by kind', async () => {
      const get = { name: 'GET /orders', spanKind: 'client' };
      assert.deepEqual(await data('/operations', { service: 'shop', spanKind: 'client' }), [get]);
      assert.equal((await data('/operations', { service: 'shop' })).length, 3);
      await refused('/operations', {}, 400, /"service"/);
    });
  });

  describe('a trace by its ID', () => {
    it('has fields, tags, logs, references and processes by the rules of OpenTelemetry', async () => {
      const [trace] = await data(`/traces/${traceId(3)}`);
      assert.equal(trace.traceID, traceId(3));
      const process = {
        serviceName: 'billing',
        tags: [
          { key: 'host.name', type: 'string', value: 'a' },
          { key: 'process.pid', type: 'int64', value: 7 },
        ],
      };
      assert.deepEqual(trace.processes, { p1: process });
      const { tags, ...span } = trace.spans.find((one: { spanID: string }) => one.spanID === spanId(31));
      assert.deepEqual(span, {
        traceID: traceId(3),
        spanID: spanId(31),
        flags: 1,
        operationName: 'charge',
        references: [
          { refType: 'CHILD_OF', traceID: traceId(3), spanID: spanId(30) },
          { refType: 'FOLLOWS_FROM', traceID: traceId(8), spanID: spanId(9) },
        ],
        startTime: 1700000000123456,
        duration: 3,
        logs: [
          {
            timestamp: 1700000000123457,
            fields: [
              { key: 'event', type: 'string', value: 'retry' },
              { key: 'attempt', type: 'int64', value: 2 },
            ],
          },
          { timestamp: 1700000000123458, fields: [{ key: 'event', type: 'string', value: 'own' }] },
        ],
        processID: 'p1',
        warnings: null,
      });
      assert.deepEqual(tags, [
        { key: 'tenant', type: 'string', value: 'acme' },
        { key: 'items', type: 'int64', value: 3 },
        { key: 'load', type: 'float64', value: 0.5 },
        { key: 'cached', type: 'bool', value: true },
        { key: '__proto__', type: 'string', value: 'own' },
        { key: 'big', type: 'int64', value: '9007199254740993' },
        { key: 'nan', type: 'float64', value: 'NaN' },
        { key: 'raw', type: 'binary', value: 'aGk=' },
        { key: 'list', type: 'string', value: '["a",1]' },
        { key: 'empty', type: 'string', value: '' },
        { key: 'otel.scope.name', type: 'string', value: 'http' },
        { key: 'otel.scope.version', type: 'string', value: '1.2' },
        { key: 'span.kind', type: 'string', value: 'server' },
        { key: 'otel.status_code', type: 'string', value: 'ERROR' },
        { key: 'otel.status_description', type: 'string', value: 'card refused' },
        { key: 'error', type: 'bool', value: true },
        { key: 'w3c.tracestate', type: 'string', value: 'ot=th:8' },
        { key: 'otel.dropped_attributes_count', type: 'int64', value: 4 },
      ]);
    });

    it('has no tag and no reference for what a span does not say', async () => {
      const [{ spans }] = await data(`/traces/${traceId(3)}`);
      const bare = spans.find((one: { spanID: string }) => one.spanID === spanId(32));
      assert.deepEqual(
        bare.tags.map((tag: { key: string }) => tag.key),
        ['otel.scope.name', 'otel.scope.version'],
      );
      assert.deepEqual([bare.references, bare.logs, bare.duration], [[], [], 0]);
    });

    it('has one process for each resource', async () => {
      const [{ spans, processes }] = await data(`/traces/${traceId(1)}`);
      const services = spans.map(
        (span: { processID: string; spanID: string }) =>
          `${processes[span.processID].serviceName} ${span.spanID.at(-1)}`,
      );
      assert.deepEqual(services.sort(), ['inventory 3', 'inventory 5', 'inventory 6', 'shop 1', 'shop 2']);
      assert.equal(Object.keys(processes).length, 2);
    });

    it('is found by a short ID in any case', async () => {
      assert.equal((await data('/traces/3'))[0].traceID, traceId(3));
      assert.equal((await data(`/traces/${traceId(3).toUpperCase()}`)).length, 1);
    });

    it('is refused when it is unknown, or no ID', async () => {
      await refused(`/traces/${traceId(99)}`, {}, 404, /trace not found/);
      await refused('/traces/xyz', {}, 400, /"traceID"/);
      await refused(`/traces/0${traceId(1)}`, {}, 400, /"traceID"/);
    });
  });

  describe('search', () => {
    /** The last digits of the IDs of the traces found. */
    const found = async (query: Record<string, string>): Promise<string> => {
      const traces = await data('/traces', { service: 'shop', ...query });
      return traces.map(({ traceID }: { traceID: string }) => traceID.at(-1)).join(' ');
    };
    const withTags = (tags: unknown): Promise<string> => found({ tags: JSON.stringify(tags) });

    it('gives whole traces of a service, the latest first', async () => {
      assert.equal(await found({}), '2 1');
      assert.equal(await found({ service: 'nobody' }), '');
      const [trace] = await data('/traces', { service: 'inventory' });
      assert.equal(trace.spans.length, 5);
    });

    it('narrows by operation and limit', async () => {
      assert.equal(await found({ operation: 'GET /orders' }), '1');
      assert.equal(await found({ operation: 'stock' }), '');
      assert.equal(await found({ limit: '1' }), '2');
      assert.equal(await found({ limit: '1500' }), '2 1');
    });

    it('takes start and end in microseconds, both included', async () => {
      assert.equal(await found({ start: String(MICROS + 10_000), end: String(MICROS + 10_000) }), '2');
      assert.equal(await found({ start: String(MICROS), end: String(MICROS) }), '1');
      assert.equal(await found({ end: String(MICROS - 1) }), '');
    });

    it('takes durations of spans, both included', async () => {
      assert.equal(await found({ minDuration: '120ms' }), '1');
      assert.equal(await found({ minDuration: '120.001ms' }), '');
      assert.equal(await found({ minDuration: '0.03s', maxDuration: '30000us' }), '2');
      assert.equal(await found({ minDuration: '2ms', maxDuration: '29.999999ms' }), '');
    });

    it('compares tags with attributes of the span or its resource, of every type', async () => {
      assert.equal(await withTags({ tenant: 'acme', cached: 'true' }), '1');
      assert.equal(await withTags({ tenant: 'acme', cached: 'false' }), '');
      assert.equal(await withTags({ 'http.response.status_code': '500' }), '2');
      assert.equal(await withTags({ 'http.response.status_code': 500 }), '2');
      assert.equal(await withTags({ tenant: '200' }), '2');
      const billing = { service: 'billing' };
      assert.equal(await found({ ...billing, tags: '{"host.name":"a","__proto__":"own"}' }), '3');
      assert.equal(await found({ ...billing, tags: '{"__proto__":"other"}' }), '');
    });

    it('knows the tags that Jaeger makes of fields', async () => {
      assert.equal(await withTags({ error: 'true' }), '2');
      assert.equal(await withTags({ 'span.kind': 'client' }), '1');
      assert.equal(await withTags({ 'otel.status_code': 'ERROR' }), '2');
      assert.equal(await withTags({ 'otel.status_description': 'out of stock' }), '2');
    });

    it('takes tags one by one as well', async () => {
      assert.equal(await found({ tag: 'tenant:acme' }), '1');
    });

    const seven = Object.fromEntries(Array.from('abcdefg', key => [key, 'x']));
    const { g: _, ...six } = seven;
    it('takes six tags', async () => {
      assert.equal(await withTags(six), '');
    });

    for (const [query, about] of [
      [{ service: '' }, /"service"/],
      [{ tags: '{' }, /"tags"/],
      [{ tags: '["a"]' }, /"tags"/],
      [{ tags: 'null' }, /"tags"/],
      [{ tags: '{"a":{}}' }, /"tags"/],
      [{ tags: JSON.stringify(seven) }, /"tags" has more than 6/],
      [{ tags: '{"span.kind":"nothing"}' }, /"span.kind".* internal, server/],
      [{ tags: '{"otel.scope.name":"http"}' }, /"otel.scope.name"/],
      [{ tag: 'tenant' }, /"tag"/],
      [{ minDuration: '5' }, /"minDuration"/],
      [{ maxDuration: '1ms, 2ms' }, /"maxDuration"/],
      [{ maxDuration: `${'9'.repeat(400)}h` }, /"maxDuration"/],
      [{ minDuration: '2ms', maxDuration: '1ms' }, /"maxDuration" is less/],
      [{ limit: '0' }, /"limit"/],
      [{ limit: '1501' }, /"limit".* 1 to 1500/],
      [{ start: '-1' }, /"start"/],
      [{ end: 'now' }, /"end"/],
      [{ start: '2000', end: '1999' }, /"end" lies before "start"/],
    ] as const) {
      it(`refuses ${JSON.stringify(query).slice(0, 60)}`, async () => {
        await refused('/traces', { service: 'shop', ...query }, 400, about);
      });
    }
  });

  describe('dependencies', () => {
    it('counts spans whose parent is in another service', async () => {
      const calls = [{ parent: 'shop', child: 'inventory', callCount: 2 }];
      assert.deepEqual(await data('/dependencies', { endTs: String(now + 1000), lookback: '60000' }), calls);
      assert.deepEqual(await data('/dependencies', { endTs: String(now + 1000) }), calls);
    });

    it('counts those that start in the window, both ends included, wherever their parent is', async () => {
      const count = async (endTs: number, lookback: number): Promise<number> => {
        const [call] = await data('/dependencies', { endTs: String(endTs), lookback: String(lookback) });
        return call?.callCount ?? 0;
      };
      assert.equal(await count(now + 3, 1), 2);
      assert.equal(await count(now + 3, 0), 1);
      assert.equal(await count(now + 1, 60_000), 0);
      assert.equal(await count(now + 5, 1), 0);
    });

    it('refuses times that are none', async () => {
      await refused('/dependencies', { endTs: 'now' }, 400, /"endTs"/);
      await refused('/dependencies', { endTs: '1', lookback: '-1' }, 400, /"lookback"/);
    });
  });
});

describe("an answer of Jaeger's API", () => {
  const asked = {
    method: 'GET',
    path: '',
    params: {},
    headers: {},
    body: Buffer.alloc(0),
    signal: new AbortController().signal,
  };

  it('has all spans of a trace that one file does not hold', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const minutes = [0, 55, 110, 165];
    for (const minute of minutes) {
      const span = { spanId: spanId(minute + 1), name: `at ${minute}`, start: now + minute * 60_000 };
      await exporter.export([spanBatch('shop', [{ ...span, traceId: traceId(1) }])]);
      await exporter.store.flush();
    }
    const { handler } = jaegerRoutes(exporter.store).find(({ path }) => path === '/jaeger/api/traces')!;
    const query = new URLSearchParams({ service: 'shop', operation: 'at 55' });
    const { body } = await handler({ ...asked, query });
    assert.equal(JSON.parse(String(body)).data[0].spans.length, minutes.length);
  });

  it('counts a call whose caller is in an earlier file', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const caller = { traceId: traceId(1), spanId: spanId(1), name: 'calls', start: now };
    const start = now + 59 * 60_000;
    const callee = { traceId: traceId(1), spanId: spanId(2), parentSpanId: spanId(1), name: 'called', start };
    for (const [service, span] of Object.entries({ shop: caller, inventory: callee })) {
      await exporter.export([spanBatch(service, [span])]);
      await exporter.store.flush();
    }
    const { handler } = jaegerRoutes(exporter.store).find(({ path }) => path.endsWith('/dependencies'))!;
    const query = new URLSearchParams({ endTs: String(start), lookback: '0' });
    const { body } = await handler({ ...asked, query });
    assert.deepEqual(JSON.parse(String(body)).data, [{ parent: 'shop', child: 'inventory', callCount: 1 }]);
  });

  it('is refused, naming the limit, when it would be too large', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const large = 'x'.repeat(8 * 1024 * 1024 - 1000);
    const paths = new Map(jaegerRoutes(exporter.store).map(({ path, handler }) => [path, handler]));
    const status = async (path: string, params = {}): Promise<[number, string]> => {
      const query = new URLSearchParams({ service: 'shop' });
      const { status, body } = await paths.get(path)!({ ...asked, params, query });
      return [status, String(body).slice(0, 200)];
    };
    for (const number of [1, 2, 3]) {
      const span = { spanId: spanId(number), name: 'large', start: now, attributes: { large } };
      await exporter.export([spanBatch('shop', [{ ...span, traceId: traceId(number === 3 ? 2 : number) }])]);
      const [code, body] = await status('/jaeger/api/traces');
      assert.equal(code, number < 3 ? 200 : 422);
      if (number === 3) assert.match(body, /the 2 traces found: more than ANSWER_BYTES_MAX/);
    }
    assert.equal((await status('/jaeger/api/traces/:id', { id: traceId(2) }))[0], 200);
    await exporter.export([
      spanBatch('shop', [
        { traceId: traceId(2), spanId: spanId(4), name: 'x', start: now, attributes: { large } },
      ]),
    ]);
    const [code, body] = await status('/jaeger/api/traces/:id', { id: traceId(2) });
    assert.equal(code, 422);
    assert.match(body, /ANSWER_BYTES_MAX/);
  });
});
