// Traces: lossless by ID, and every kind of condition in search.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decodeTraces, requestFromJson, Signal, tracesToJson } from 'tricord/otlp';
import {
  LimitError,
  MatcherError,
  type SpanCondition,
  type SpanFilter,
  type Store,
  type TraceSummary,
} from '../../../collector/store/store.ts';
import {
  always,
  batchOf,
  keyValues,
  openStore,
  type SpanSketch,
  spanBatch,
  spanId,
  temporaryDirectory,
  traceId,
} from './fixtures.ts';

const now = Date.now();

const shop: SpanSketch[] = [
  {
    traceId: traceId(1),
    spanId: spanId(1),
    name: 'GET /orders',
    kind: 2,
    start: now,
    duration: 120,
    attributes: { 'http.response.status_code': 200, tenant: 'acme', cached: true, load: 0.5 },
  },
  {
    traceId: traceId(2),
    spanId: spanId(3),
    name: 'POST /orders',
    kind: 2,
    start: now + 10,
    duration: 30,
    status: { code: 2, message: 'out of stock' },
    attributes: { 'http.response.status_code': 500, tenant: '200', ['__proto__']: 'own', 'a/b~c': 'slash' },
  },
];
const inventory: SpanSketch[] = [
  {
    traceId: traceId(1),
    spanId: spanId(2),
    parentSpanId: spanId(1),
    name: 'SELECT stock',
    kind: 3,
    start: now + 5,
    duration: 200,
    attributes: { 'db.system.name': 'sqlite', tenant: 'acme' },
  },
];

describe('search', () => {
  for (const where of ['memory', 'Parquet'] as const) {
    describe(`in ${where}`, () => {
      let store: Store;
      const stops: (() => Promise<void>)[] = [];
      after(async () => {
        for (const stop of stops) await stop();
      });
      before(async () => {
        const suite = { after: (stop: () => Promise<void>) => stops.push(stop) };
        const { exporter } = await openStore(suite, await temporaryDirectory(suite));
        await exporter.export([spanBatch('shop', shop), spanBatch('inventory', inventory)]);
        if (where === 'Parquet') await exporter.store.flush();
        store = exporter.store;
      });

      const search = (filter: SpanFilter): Promise<TraceSummary[]> =>
        store.traces.search({ filter, range: always, limit: 20, spansPerTrace: 10, order: 'latest' });

      /** The span IDs, last digit, of the spans that one condition matches. */
      const matched = async (
        scope: SpanCondition['scope'],
        field: string,
        op: SpanCondition['op'],
        value: SpanCondition['value'],
      ): Promise<string> => {
        const found = await search([[{ scope, field, op, value }]]);
        return found
          .flatMap(trace => trace.matched.map(span => span.spanId.at(-1)))
          .sort()
          .join('');
      };

      it('summarizes whole traces, the latest first', async () => {
        const [second, first] = await search([[]]);
        assert.equal(second!.traceId, traceId(2));
        assert.equal(first!.traceId, traceId(1));
        assert.equal(first!.rootService, 'shop');
        assert.equal(first!.rootName, 'GET /orders');
        assert.equal(first!.spanCount, 2);
        assert.equal(first!.errorCount, 0);
        assert.equal(second!.errorCount, 1);
        assert.equal(first!.duration, 205_000_000n);
        assert.deepEqual(first!.services.get('inventory'), { spanCount: 1, errorCount: 0 });
      });

      it('orders by duration, and limits traces and spans', async () => {
        const query = { filter: [[]], range: always, order: 'slowest' } as const;
        const all = await store.traces.search({ ...query, limit: 10, spansPerTrace: 1 });
        assert.deepEqual(
          all.map(trace => trace.traceId),
          [traceId(1), traceId(2)],
        );
        assert.equal(all[0]!.matched.length, 1);
        assert.equal(all[0]!.matchedCount, 2);
        assert.equal((await store.traces.search({ ...query, limit: 1, spansPerTrace: 1 })).length, 1);
      });

      it('takes the bounds of the range as belonging to it', async () => {
        const count = async (start: number, end: number): Promise<number> => {
          const query = { filter: [[]], limit: 10, spansPerTrace: 0, order: 'latest' } as const;
          return (await store.traces.search({ ...query, range: { start, end } })).length;
        };
        assert.equal(await count(now + 10, now + 10), 1);
        assert.equal(await count(now + 11, now + 1000), 0);
        assert.equal(await count(now - 1000, now - 1), 0);
      });

      it('knows the intrinsics', async () => {
        assert.equal(await matched('intrinsic', 'name', '=', 'GET /orders'), '1');
        assert.equal(await matched('intrinsic', 'name', '=~', '.*orders'), '13');
        assert.equal(await matched('intrinsic', 'name', '=~', 'orders'), '');
        assert.equal(await matched('intrinsic', 'name', '!~', '.*orders'), '2');
        assert.equal(await matched('intrinsic', 'service', '!=', 'shop'), '2');
        assert.equal(await matched('intrinsic', 'kind', '=', 3), '2');
        assert.equal(await matched('intrinsic', 'status', '=', 2), '3');
        assert.equal(await matched('intrinsic', 'statusMessage', '=', 'out of stock'), '3');
        assert.equal(await matched('intrinsic', 'duration', '>', 120_000_000n), '2');
        assert.equal(await matched('intrinsic', 'duration', '>=', 120_000_000n), '12');
        assert.equal(await matched('intrinsic', 'rootName', '=', 'GET /orders'), '12');
        assert.equal(await matched('intrinsic', 'rootServiceName', '=', 'shop'), '123');
        assert.equal(await matched('intrinsic', 'traceDuration', '>', 204_000_000n), '12');
        assert.equal(await matched('intrinsic', 'traceId', '=', traceId(2)), '3');
      });

      it('compares attributes by their type', async () => {
        assert.equal(await matched('span', 'http.response.status_code', '=', 200), '1');
        assert.equal(await matched('span', 'http.response.status_code', '>=', 200), '13');
        assert.equal(await matched('span', 'http.response.status_code', '=', '200'), '');
        assert.equal(await matched('span', 'tenant', '=', '200'), '3');
        assert.equal(await matched('span', 'tenant', '=', 200), '');
        assert.equal(await matched('span', 'tenant', '!=', 'acme'), '3');
        assert.equal(await matched('span', 'tenant', '=~', 'ac.*'), '12');
        assert.equal(await matched('span', 'cached', '=', true), '1');
        assert.equal(await matched('span', 'cached', '!=', true), '');
        assert.equal(await matched('span', 'load', '<', 0.6), '1');
        assert.equal(await matched('span', 'cached', '=', null), '23');
        assert.equal(await matched('span', 'cached', '!=', null), '1');
      });

      it('tells scopes apart', async () => {
        assert.equal(await matched('resource', 'service.name', '=', 'shop'), '13');
        assert.equal(await matched('any', 'service.name', '=', 'shop'), '13');
        assert.equal(await matched('span', 'service.name', '=', 'shop'), '');
        assert.equal(await matched('resource', 'tenant', '=', 'acme'), '');
        assert.equal(await matched('any', 'tenant', '=', 'acme'), '12');
      });

      it('takes every key and value as data', async () => {
        assert.equal(await matched('span', '__proto__', '=', 'own'), '3');
        assert.equal(await matched('span', 'a/b~c', '=', 'slash'), '3');
        for (const hostile of ["'; DROP TABLE spans; --", '$.*', '/', '~', '', '\0', '"', '*', '0']) {
          assert.equal(await matched('span', hostile, '=', hostile), '');
          assert.equal(await matched('intrinsic', 'name', '=', hostile), '');
        }
        assert.equal(({} as Record<string, unknown>).own, undefined);
      });

      it('joins conditions by and, alternatives by or', async () => {
        const acme = { scope: 'span', field: 'tenant', op: '=', value: 'acme' } as const;
        const client = { scope: 'intrinsic', field: 'kind', op: '=', value: 3 } as const;
        const failed = { scope: 'intrinsic', field: 'status', op: '=', value: 2 } as const;
        assert.equal((await search([[acme, client]]))[0]!.matchedCount, 1);
        assert.equal((await search([[acme, client], [failed]])).length, 2);
        assert.equal((await search([])).length, 0);
      });

      it('refuses what makes no sense, by name', async () => {
        await assert.rejects(matched('intrinsic', 'name', '=~', '(a'), (error: Error) => {
          return error instanceof MatcherError && error.message.includes('"(a"');
        });
        await assert.rejects(matched('intrinsic', 'nonsense', '=', 'x'), /no intrinsic "nonsense"/);
        await assert.rejects(matched('intrinsic', 'duration', '=', 'x'), MatcherError);
        await assert.rejects(matched('intrinsic', 'name', '=', 5), MatcherError);
        await assert.rejects(matched('span', 'cached', '>', true), MatcherError);
      });

      it('ends when its signal aborts', async () => {
        const query = { filter: [[]], range: always, limit: 1, spansPerTrace: 1, order: 'latest' } as const;
        const signal = AbortSignal.abort(new Error('gone'));
        await assert.rejects(store.traces.search(query, { signal }), /gone/);
      });

      it('lists the tags and their values with types', async () => {
        const { span, resource } = await store.traces.tagNames(always);
        assert.ok(span.includes('__proto__') && span.includes('db.system.name'));
        assert.deepEqual(resource, ['service.name']);
        assert.deepEqual(await store.traces.tagValues('intrinsic', 'service', always), [
          { type: 'string', value: 'inventory' },
          { type: 'string', value: 'shop' },
        ]);
        assert.deepEqual(await store.traces.tagValues('span', 'http.response.status_code', always), [
          { type: 'int', value: '200' },
          { type: 'int', value: '500' },
        ]);
        assert.deepEqual(await store.traces.tagValues('any', 'cached', always), [
          { type: 'bool', value: 'true' },
        ]);
        assert.equal((await store.traces.tagValues('intrinsic', 'status', always)).length, 3);
      });
    });
  }
});

describe('a trace by its ID', () => {
  const request = {
    resourceSpans: [
      {
        resource: { attributes: keyValues({ 'service.name': 'shop', 'host.name': 'a' }) },
        schemaUrl: 'https://example.test/resource',
        scopeSpans: [
          {
            scope: { name: 'http', version: '1' },
            schemaUrl: 'https://example.test/scope',
            spans: [
              {
                traceId: traceId(7),
                spanId: spanId(1),
                traceState: 'ot=th:8',
                name: 'first \u0000 \u{1F600}',
                flags: 257,
                startTimeUnixNano: '1700000000000000001',
                endTimeUnixNano: '1700000000000000002',
                events: [
                  { timeUnixNano: '1700000000000000001', name: 'e', attributes: keyValues({ k: 'v' }) },
                ],
                links: [{ traceId: traceId(8), spanId: spanId(9) }],
                attributes: keyValues({ big: 1 }),
              },
            ],
          },
          { scope: { name: 'db' }, spans: [{ traceId: traceId(7), spanId: spanId(2), name: 'second' }] },
        ],
      },
    ],
  };

  it('is what was sent, byte for byte in its spans, from memory and from Parquet', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const sent = requestFromJson(Signal.traces, JSON.stringify(request));
    await exporter.export([batchOf(Signal.traces, request)]);
    for (const flush of [false, true]) {
      if (flush) await exporter.store.flush();
      const bytes = (await exporter.store.traces.trace(traceId(7)))!;
      const spans: string[] = [];
      const collect = {
        span: ({ bytes: raw }: { bytes: Uint8Array }) => spans.push(Buffer.from(raw).toString('hex')),
      };
      decodeTraces(sent, collect);
      const expected = spans.splice(0).sort();
      decodeTraces(bytes, collect);
      assert.deepEqual(spans.sort(), expected);
      const { resourceSpans } = JSON.parse(tracesToJson(bytes));
      assert.equal(resourceSpans.length, 1);
      assert.equal(resourceSpans[0].schemaUrl, 'https://example.test/resource');
      assert.deepEqual(
        resourceSpans[0].scopeSpans.map((one: { scope: { name: string } }) => one.scope.name).sort(),
        ['db', 'http'],
      );
    }
  });

  it('is null when there is none', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    assert.equal(await exporter.store.traces.trace(traceId(1)), null);
  });

  it('is put together from several files', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    for (let number = 1; number <= 3; number++) {
      await exporter.export([
        spanBatch(`service ${number}`, [
          { traceId: traceId(7), spanId: spanId(number), name: 'x', start: now },
        ]),
      ]);
      if (number < 3) await exporter.store.flush();
    }
    const { resourceSpans } = JSON.parse(tracesToJson((await exporter.store.traces.trace(traceId(7)))!));
    assert.equal(resourceSpans.length, 3);
  });

  it('is refused, naming the limit, when it is larger than memory should hold', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const large = 'x'.repeat(8 * 1024 * 1024);
    for (let number = 1; number <= 9; number++) {
      await exporter.export([
        spanBatch('shop', [
          { traceId: traceId(7), spanId: spanId(number), name: 'large', start: now, attributes: { large } },
        ]),
      ]);
      if (number === 7) assert.ok((await exporter.store.traces.trace(traceId(7)))!.length > 7 * large.length);
    }
    await assert.rejects(exporter.store.traces.trace(traceId(7)), (error: Error) => {
      return error instanceof LimitError && error.message.includes('TRACE_BYTES_MAX');
    });
  });

  it('keeps times and numbers that are out of every range', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const times = ['0', '1', '9223372036854775807', '9223372036854775808', '18446744073709551615'];
    const spans = times.map((time, number) => ({
      traceId: traceId(9),
      spanId: spanId(number + 1),
      name: 'odd',
      kind: number === 0 ? 2_147_483_647 : 1,
      startTimeUnixNano: time,
      endTimeUnixNano: number % 2 === 0 ? '0' : '18446744073709551615',
      attributes: [{ key: 'd', value: { doubleValue: 'NaN' } }],
    }));
    await exporter.export([batchOf(Signal.traces, { resourceSpans: [{ scopeSpans: [{ spans }] }] })]);
    for (const flush of [false, true]) {
      if (flush) await exporter.store.flush();
      const { resourceSpans } = JSON.parse(tracesToJson((await exporter.store.traces.trace(traceId(9)))!));
      const kept = resourceSpans[0].scopeSpans[0].spans.map(
        (span: { startTimeUnixNano?: string }) => span.startTimeUnixNano,
      );
      assert.equal(kept.length, times.length);
      assert.ok(kept.includes('18446744073709551615'));
      const query = { filter: [[]], range: always, limit: 1, spansPerTrace: 9, order: 'slowest' } as const;
      assert.equal(
        (await exporter.store.traces.search({ ...query, range: { start: -Infinity, end: Infinity } })).length,
        1,
      );
    }
  });
});
