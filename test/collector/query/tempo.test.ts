// Tempo's API: the shapes that Grafana reads, TraceQL's span filters, and clear refusals.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeTraces } from 'tricord/otlp';
import { tempoRoutes } from '../../../collector/query/tempo.ts';
import type { Store } from '../../../collector/store/store.ts';
import { HttpError, pathSegments, Router } from '../../../collector/web/router.ts';
import { openStore, spanBatch, spanId, temporaryDirectory, traceId } from '../store/fixtures.ts';

const now = Math.floor(Date.now() / 1000) * 1000;

interface Answer {
  readonly status: number;
  readonly body: Uint8Array | string;
  // biome-ignore lint/suspicious/noExplicitAny: an answer's JSON has any shape
  readonly json: () => any;
}

let store: Store;
const stops: (() => Promise<void>)[] = [];
after(async () => {
  for (const stop of stops) await stop();
});

before(async () => {
  const suite = { after: (stop: () => Promise<void>) => stops.push(stop) };
  const { exporter } = await openStore(suite, await temporaryDirectory(suite));
  await exporter.export([
    spanBatch('shop', [
      {
        traceId: traceId(0xabc),
        spanId: spanId(1),
        name: 'GET /orders',
        kind: 2,
        start: now,
        duration: 120.5,
        attributes: { 'http.response.status_code': 200, tenant: 'acme', cached: true },
      },
      {
        traceId: traceId(2),
        spanId: spanId(3),
        parentSpanId: spanId(99),
        name: 'say "hi"',
        kind: 1,
        start: now + 5000,
        duration: 300,
        status: { code: 2 },
        attributes: { 'http.response.status_code': 500, 'odd key': 'x', load: 0.5 },
      },
    ]),
    spanBatch('inventory', [
      {
        traceId: traceId(0xabc),
        spanId: spanId(2),
        parentSpanId: spanId(1),
        name: 'SELECT',
        kind: 3,
        start: now + 10,
        duration: 20,
      },
    ]),
  ]);
  store = exporter.store;
});

async function get(target: string, accept = 'application/json', signal?: AbortSignal): Promise<Answer> {
  const router = new Router();
  router.add(tempoRoutes(store));
  const url = new URL(target, 'http://localhost');
  const match = router.match('GET', pathSegments(target));
  assert.ok(match, `no route for ${target}`);
  const { status, body } = await match.handler({
    method: 'GET',
    path: url.pathname,
    params: match.params,
    query: url.searchParams,
    headers: { accept },
    body: new Uint8Array(0),
    signal: signal ?? new AbortController().signal,
  });
  assert.ok(typeof body === 'string' || body instanceof Uint8Array);
  return { status, body, json: () => JSON.parse(body as string) };
}

async function refusal(target: string): Promise<HttpError> {
  const error = await get(target).then(
    () => assert.fail(`${target} was answered`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof HttpError, String(error));
  return error;
}

const search = async (query: Record<string, string>) =>
  (await get(`/tempo/api/search?${new URLSearchParams(query)}`)).json();

/** The span IDs, last digit, that a TraceQL query finds. */
async function found(q: string): Promise<string> {
  const { traces } = await search({ q, spss: '10' });
  const spans = traces.flatMap((trace: { spanSet: { spans: { spanID: string }[] } }) => trace.spanSet.spans);
  return spans
    .map(({ spanID }: { spanID: string }) => spanID.at(-1))
    .sort()
    .join('');
}

describe('health', () => {
  it('answers echo and build info', async () => {
    assert.equal((await get('/tempo/api/echo')).status, 200);
    assert.match((await get('/tempo/api/status/buildinfo')).json().version, /^\d+\.\d+\.\d+$/);
  });
});

describe('a trace by its ID', () => {
  const spanCount = (bytes: Uint8Array): number => {
    let count = 0;
    decodeTraces(bytes, { span: () => count++ });
    return count;
  };

  it('is a bare Trace in the first version, protobuf or JSON', async () => {
    const { body } = await get(`/tempo/api/traces/${traceId(0xabc)}`, 'application/protobuf');
    assert.equal(spanCount(body as Uint8Array), 2);
    const { batches } = (await get(`/tempo/api/traces/${traceId(0xabc)}`)).json();
    assert.equal(batches.length, 2);
    assert.equal(batches[0].scopeSpans[0].spans[0].traceId, traceId(0xabc));
  });

  it('is wrapped in the second version', async () => {
    const { body } = await get(`/tempo/api/v2/traces/${traceId(0xabc)}`, 'application/protobuf');
    const bytes = body as Uint8Array;
    assert.equal(bytes[0], 0x0a);
    const length = bytes[1]! < 0x80 ? 1 : 2;
    assert.equal(spanCount(bytes.subarray(1 + length)), 2);
    const { trace } = (await get(`/tempo/api/v2/traces/${traceId(0xabc)}`)).json();
    assert.equal(trace.resourceSpans.length, 2);
  });

  it('that is not there: 404 in the first version, an empty trace in the second', async () => {
    assert.equal((await refusal(`/tempo/api/traces/${traceId(77)}`)).status, 404);
    const { status, body } = await get(`/tempo/api/v2/traces/${traceId(77)}`, 'application/protobuf');
    assert.equal(status, 200);
    assert.deepEqual([...(body as Uint8Array)], [0x0a, 0]);
    assert.deepEqual((await get(`/tempo/api/v2/traces/${traceId(77)}`)).json(), { trace: {} });
  });

  it('may be short or in capitals, and nothing but hexadecimal', async () => {
    assert.equal((await get('/tempo/api/traces/abc')).status, 200);
    assert.equal((await get('/tempo/api/traces/ABC')).status, 200);
    for (const id of [`${'0'.repeat(33)}`, 'xyz', '12%2034', "1'--", '-1', '0x1']) {
      assert.equal((await refusal(`/tempo/api/traces/${id}`)).status, 400);
      assert.equal((await refusal(`/tempo/api/v2/traces/${id}`)).status, 400);
    }
  });
});

describe('search', () => {
  it('answers in the shape of SearchResponse and nothing else', async () => {
    const answer = await search({ q: '{ span.tenant = "acme" && status = unset }' });
    const spanSet = {
      matched: 1,
      spans: [
        {
          spanID: spanId(1),
          name: 'GET /orders',
          startTimeUnixNano: `${now}000000`,
          durationNanos: '120500000',
          attributes: [
            { key: 'service.name', value: { stringValue: 'shop' } },
            { key: 'tenant', value: { stringValue: 'acme' } },
            { key: 'status', value: { stringValue: 'unset' } },
          ],
        },
      ],
    };
    assert.deepEqual(answer, {
      traces: [
        {
          traceID: traceId(0xabc),
          rootServiceName: 'shop',
          rootTraceName: 'GET /orders',
          startTimeUnixNano: `${now}000000`,
          durationMs: 120,
          spanSet,
          spanSets: [spanSet],
          serviceStats: {
            inventory: { spanCount: 1, errorCount: 0 },
            shop: { spanCount: 1, errorCount: 0 },
          },
        },
      ],
      metrics: {},
    });
  });

  it('shows the latest first, or the slowest, and says when a root is missing', async () => {
    const [latest] = (await search({ q: '{}' })).traces;
    assert.equal(latest.traceID, traceId(2));
    assert.equal(latest.rootTraceName, '<root span not yet received>');
    const [slowest] = (await search({ q: '{}', order: 'slowest' })).traces;
    assert.equal(slowest.durationMs, 300);
  });

  it('takes limit, spss, start and end', async () => {
    assert.equal((await search({ limit: '1' })).traces.length, 1);
    const [trace] = (await search({ q: '{ rootServiceName = "shop" }', spss: '1' })).traces;
    assert.equal(trace.spanSet.spans.length, 1);
    assert.equal(trace.spanSet.matched, 2);
    const seconds = now / 1000;
    assert.equal((await search({ start: `${seconds}`, end: `${seconds + 1}` })).traces.length, 1);
    assert.equal((await search({ start: `${seconds + 6}`, end: `${seconds + 9}` })).traces.length, 0);
  });

  const queries: [string, string][] = [
    ['{}', '123'],
    ['{ true }', '123'],
    ['{ false }', ''],
    ['{ resource.service.name = "shop" }', '13'],
    ['{ .service.name = `inventory` }', '2'],
    ['{ name = "say \\"hi\\"" }', '3'],
    ['{ name =~ "GET.*|SELECT" }', '12'],
    ['{ duration > 100ms && duration < 0.2s }', '1'],
    ['{ status = error }', '3'],
    ['{ kind = client || kind = server }', '12'],
    ['{ span.http.response.status_code >= 500 }', '3'],
    ['{ 200 = span.http.response.status_code }', '1'],
    ['{ .load = 0.5 }', '3'],
    ['{ span."odd key" = "x" }', '3'],
    ['{ .cached }', '1'],
    ['{ .cached != nil }', '1'],
    ['{ (kind = client || status = error) && resource.service.name != "shop" }', '2'],
    ['{ kind = client } || { status = error }', '23'],
    ['{ trace:duration > 200ms } | select(span.tenant)', '3'],
    ['{ rootName = "GET /orders" } with (most_recent=true)', '12'],
    ['{ .a > -5 }', ''],
  ];
  for (const [query, expected] of queries) {
    it(`finds ${expected === '' ? 'nothing' : expected} by ${query}`, async () => {
      assert.equal(await found(query), expected);
    });
  }

  const refused: [string, string][] = [
    ['{ duration > ', 'ends too early'],
    ['nonsense', 'parse error'],
    ['{ nestedSetParent < 0 }', 'nestedSetParent'],
    ['{ .a = 1 } && { .b = 2 }', '{ .a = 1 } && { .b = 2 }'],
    ['{} >> {}', '{} >> {}'],
    ['{} | count() > 2', 'count() > 2'],
    ['{} | rate()', 'rate()'],
    ['{ !(.a = 1) }', '!(.a = 1)'],
    ['{ -5 < .x }', '-5 < .x'],
    ['{ .a = .b }', '.a = .b'],
    ['{ .a > 1 + 2 }', '.a > 1 + 2'],
    ['{ event.name = "x" }', 'event.name'],
    ['{ name = error }', 'error'],
    ['{ name =~ "(a" }', '(a'],
    ['{ duration = "x" }', 'duration'],
    ['{ .a > true }', '.a > true'],
  ];
  for (const [query, named] of refused) {
    it(`refuses ${query}, naming it`, async () => {
      const { status, message } = await refusal(`/tempo/api/search?q=${encodeURIComponent(query)}`);
      assert.equal(status, 400);
      assert.ok(message.includes(named), message);
    });
  }

  it('bounds how many alternatives a query may have', async () => {
    const or = '(.a = 1 || .b = 1)';
    const query = (count: number) => `{ ${Array.from({ length: count }, () => or).join(' && ')} }`;
    assert.equal(await found(query(6)), '');
    const { status, message } = await refusal(`/tempo/api/search?q=${encodeURIComponent(query(7))}`);
    assert.equal(status, 400);
    assert.match(message, /CONJUNCTIONS_MAX = 64/);
    const long = `{ name = "${'x'.repeat(16_384)}" }`;
    assert.match(
      (await refusal(`/tempo/api/search?q=${encodeURIComponent(long)}`)).message,
      /QUERY_LENGTH_MAX/,
    );
  });

  it('understands the older parameters', async () => {
    const count = async (query: Record<string, string>) => (await search(query)).traces.length;
    assert.equal(await count({ tags: 'service.name=inventory' }), 1);
    assert.equal(await count({ tags: 'http.response.status_code=500' }), 1);
    assert.equal(await count({ tags: 'name="say \\"hi\\"" error=true' }), 1);
    assert.equal(await count({ tags: 'tenant=acme cached=true' }), 1);
    assert.equal(await count({ tags: 'tenant=other' }), 0);
    assert.equal(await count({ minDuration: '200ms' }), 1);
    assert.equal(await count({ maxDuration: '200ms' }), 1);
    assert.match((await refusal('/tempo/api/search?tags=x')).message, /cannot read "x"/);
    assert.match((await refusal('/tempo/api/search?minDuration=soon')).message, /"soon" is no duration/);
  });

  it('refuses numbers that are none, and accepts the bounds', async () => {
    for (const bad of [
      'limit=0',
      'limit=1001',
      'limit=x',
      'spss=0',
      'start=x',
      'start=-1',
      'start=5&end=4',
      'order=up',
    ]) {
      assert.equal((await refusal(`/tempo/api/search?${bad}`)).status, 400, bad);
    }
    for (const good of ['limit=1', 'limit=1000', 'spss=1000', 'start=0&end=0']) {
      assert.equal((await get(`/tempo/api/search?${good}`)).status, 200, good);
    }
  });

  it('ends when the client goes away', async () => {
    const signal = AbortSignal.abort(new Error('the client went away'));
    await assert.rejects(get('/tempo/api/search?q=%7B%7D', undefined, signal), /went away/);
  });
});

describe('tags', () => {
  it('are listed by scope', async () => {
    const { scopes } = (await get('/tempo/api/v2/search/tags')).json();
    const byName = new Map(scopes.map(({ name, tags }: { name: string; tags: string[] }) => [name, tags]));
    assert.deepEqual(byName.get('resource'), ['service.name']);
    assert.ok((byName.get('span') as string[]).includes('tenant'));
    assert.ok((byName.get('intrinsic') as string[]).includes('duration'));
    const only = (await get('/tempo/api/v2/search/tags?scope=span')).json();
    assert.deepEqual(
      only.scopes.map(({ name }: { name: string }) => name),
      ['span'],
    );
    assert.ok((await get('/tempo/api/search/tags')).json().tagNames.includes('tenant'));
  });

  it('have values with their types', async () => {
    const values = async (tag: string) =>
      (await get(`/tempo/api/v2/search/tag/${encodeURIComponent(tag)}/values`)).json().tagValues;
    assert.deepEqual(await values('resource.service.name'), [
      { type: 'string', value: 'inventory' },
      { type: 'string', value: 'shop' },
    ]);
    assert.deepEqual(await values('span.http.response.status_code'), [
      { type: 'int', value: '200' },
      { type: 'int', value: '500' },
    ]);
    assert.deepEqual(await values('.tenant'), [{ type: 'string', value: 'acme' }]);
    assert.equal((await values('status')).length, 3);
    assert.deepEqual((await get('/tempo/api/search/tag/service.name/values')).json().tagValues, [
      'inventory',
      'shop',
    ]);
    assert.equal((await refusal('/tempo/api/v2/search/tag/nonsense/values')).status, 400);
  });
});
