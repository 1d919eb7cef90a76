// Logs: OTLP records as Loki's streams and structured metadata, and the selections over them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LogSelection, MatcherError, type Store } from '../../../collector/store/store.ts';
import {
  always,
  alwaysExactly,
  keyValues,
  logsBatch,
  nanos,
  openStore,
  spanId,
  temporaryDirectory,
  traceId,
} from './fixtures.ts';

const now = Date.now();

const line = (text: string, at: number, more: object = {}) => ({
  timeUnixNano: nanos(now + at),
  body: { stringValue: text },
  ...more,
});

async function lines(
  store: Store,
  query: Partial<LogSelection> = {},
  range = alwaysExactly,
): Promise<string[]> {
  const found = await store.logs.select({ matchers: [], direction: 'forward', limit: 100, ...query }, range);
  return found.map(entry => entry.line);
}

describe('log records', () => {
  it('have the index labels of their resource, the rest as metadata', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const resource = {
      'service.name': 'shop',
      'deployment.environment.name': 'prod',
      'k8s.pod.name': 'p1',
      'process.pid': 7,
    };
    const record = line('hello', 0, {
      severityNumber: 13,
      severityText: 'WARN',
      traceId: traceId(5),
      spanId: spanId(6),
      attributes: keyValues({ 'http.route': '/a', tenant: 'acme' }),
    });
    await exporter.export([logsBatch([record], resource)]);
    for (const flush of [false, true]) {
      if (flush) await exporter.store.flush();
      const [entry] = await exporter.store.logs.select(
        { matchers: [], direction: 'forward', limit: 1 },
        alwaysExactly,
      );
      assert.deepEqual(Object.fromEntries(entry!.stream), {
        service_name: 'shop',
        deployment_environment_name: 'prod',
        k8s_pod_name: 'p1',
      });
      assert.deepEqual(Object.fromEntries(entry!.metadata), {
        process_pid: '7',
        scope_name: 'pino',
        detected_level: 'warn',
        http_route: '/a',
        tenant: 'acme',
        severity_text: 'WARN',
        severity_number: '13',
        trace_id: traceId(5),
        span_id: spanId(6),
      });
      assert.equal(entry!.time, BigInt(nanos(now)));
    }
  });

  it('show a structured body as JSON, and none as an empty line', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const body = { kvlistValue: { values: [{ key: '__proto__', value: { intValue: '1' } }] } };
    await exporter.export([logsBatch([line('', 0, { body }), { timeUnixNano: nanos(now + 1) }])]);
    assert.deepEqual(await lines(exporter.store), ['{"__proto__":1}', '']);
  });

  it('without a time have that of observation, else that of arrival', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const observed = { observedTimeUnixNano: '5000000', body: { stringValue: 'observed' } };
    await exporter.export([
      logsBatch([observed, { body: { stringValue: 'bare' } }], undefined, 1_700_000_000_000),
    ]);
    const found = await exporter.store.logs.select(
      { matchers: [], direction: 'forward', limit: 9 },
      alwaysExactly,
    );
    assert.deepEqual(
      found.map(entry => [entry.line, entry.time]),
      [
        ['observed', 5_000_000n],
        ['bare', 1_700_000_000_000_000_000n],
      ],
    );
  });

  it('take every text as data', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const hostile = ['\0a\0', '\u001b[31m', '<img onerror>', "'; DROP TABLE logs", '\u{1F600}', '__proto__'];
    const records = hostile.map((text, at) =>
      line(text, at, { attributes: [{ key: text, value: { stringValue: text } }] }),
    );
    await exporter.export([logsBatch(records)]);
    await exporter.store.flush();
    assert.deepEqual(await lines(exporter.store), hostile);
    for (const text of hostile)
      assert.deepEqual(await lines(exporter.store, { lineContains: [text] }), [text]);
    const metadata = new Map([['__proto__', '__proto__']]);
    assert.deepEqual(await lines(exporter.store, { metadata }), ['__proto__']);
  });
});

describe('selections of logs', () => {
  it('are in the order of time, then of arrival, in both directions and over flushes', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    await exporter.export([logsBatch([line('b', 1), line('c', 1), line('a', 0)])]);
    await exporter.store.flush();
    await exporter.export([logsBatch([line('d', 1), line('e', 2)])]);
    assert.deepEqual(await lines(exporter.store), ['a', 'b', 'c', 'd', 'e']);
    assert.deepEqual(await lines(exporter.store, { direction: 'backward' }), ['e', 'd', 'c', 'b', 'a']);
    assert.deepEqual(await lines(exporter.store, { direction: 'backward', limit: 2 }), ['e', 'd']);
    assert.deepEqual(await lines(exporter.store, { limit: 0 }), []);
  });

  it('begin and end at a nanosecond, in memory and in files', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const base = BigInt(now) * 1_000_000n + 999_990n;
    const records = ['a', 'b', 'c', 'd'].map((text, i) => ({
      timeUnixNano: String(base + BigInt(i)),
      body: { stringValue: text },
    }));
    await exporter.export([logsBatch(records)]);
    for (const flush of [false, true]) {
      if (flush) await exporter.store.flush();
      const between = (from: bigint, to: bigint) =>
        lines(exporter.store, {}, { start: base + from, end: base + to });
      assert.deepEqual(await between(1n, 3n), ['b', 'c']);
      assert.deepEqual(await between(3n, 4n), ['d']);
      assert.deepEqual(await between(3n, 3n), []);
    }
  });

  it('are narrowed by matchers, contents and metadata of record, resource and scope', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    await exporter.export([
      logsBatch(
        [line('GET /a ok', 0, { traceId: traceId(1) }), line('GET /b failed', 1, { severityNumber: 17 })],
        {
          'service.name': 'shop',
          'host.name': 'h1',
        },
      ),
      logsBatch([line('GET /a failed', 2, { attributes: keyValues({ 'host.name': 'own' }) })], {
        'service.name': 'inventory',
        'host.name': 'h1',
      }),
    ]);
    const { store } = exporter;
    const shop = { name: 'service_name', op: '=', value: 'shop' } as const;
    assert.deepEqual(await lines(store, { matchers: [shop] }), ['GET /a ok', 'GET /b failed']);
    assert.deepEqual(await lines(store, { matchers: [{ ...shop, op: '!~', value: 'sh.*' }] }), [
      'GET /a failed',
    ]);
    assert.deepEqual(await lines(store, { lineContains: ['GET', 'failed'] }), [
      'GET /b failed',
      'GET /a failed',
    ]);
    const by = (name: string, value: string) => lines(store, { metadata: new Map([[name, value]]) });
    assert.deepEqual(await by('host_name', 'h1'), ['GET /a ok', 'GET /b failed']);
    assert.deepEqual(await by('host_name', 'own'), ['GET /a failed']);
    assert.deepEqual(await by('scope_name', 'pino'), ['GET /a ok', 'GET /b failed', 'GET /a failed']);
    assert.deepEqual(await by('trace_id', traceId(1)), ['GET /a ok']);
    assert.deepEqual(await by('trace_id', ''), ['GET /b failed', 'GET /a failed']);
    assert.deepEqual(await by('detected_level', 'error'), ['GET /b failed']);
    assert.deepEqual(await by('nothing', ''), ['GET /a ok', 'GET /b failed', 'GET /a failed']);
    await assert.rejects(lines(store, { matchers: [{ ...shop, op: '=~', value: '[' }] }), MatcherError);
  });

  it('list streams once each, of the range only', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    await exporter.export([
      logsBatch([line('x', 0)], { 'service.name': 'shop', 'host.name': 'a' }),
      logsBatch([line('y', 60_000)], { 'service.name': 'shop', 'host.name': 'b' }),
      logsBatch([line('z', 120_000)], {}),
    ]);
    const names = async (range = always): Promise<(string | undefined)[]> =>
      (await exporter.store.logs.streams([], range)).map(labels => labels.get('service_name')).sort();
    assert.deepEqual(await names(), ['shop', 'unknown_service']);
    assert.deepEqual(await names({ start: now, end: now + 119_999 }), ['shop']);
  });
});
