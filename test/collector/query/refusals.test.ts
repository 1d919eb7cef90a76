// What the store refuses reaches the client of every query API as an error of its own, that names the thing.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lokiRoutes } from '../../../collector/query/loki.ts';
import { prometheusRoutes } from '../../../collector/query/prometheus.ts';
import { tempoRoutes } from '../../../collector/query/tempo.ts';
import { queryRoutes } from '../../../collector/web/query-routes.ts';
import { HttpError, pathSegments, type Route, Router } from '../../../collector/web/router.ts';
import { openStore, temporaryDirectory } from '../store/fixtures.ts';

/** A repetition that RE2 does not compile. */
const pattern = '((a{1000}){1000}){1000}';

async function get(routes: readonly Route[], path: string, query: Record<string, string>): Promise<string> {
  const router = new Router();
  router.add(routes);
  const { handler, params } = router.match('GET', pathSegments(path))!;
  const signal = new AbortController().signal;
  const request = { method: 'GET', path, params, headers: {}, body: new Uint8Array(), signal };
  try {
    const { status, body } = await handler({ ...request, query: new URLSearchParams(query) });
    return `${status} ${body}`;
  } catch (error) {
    if (error instanceof HttpError) return `${error.status} ${error.message}`;
    throw error;
  }
}

describe('a regular expression that the database refuses', () => {
  it('is the fault of the query, in all three languages', async t => {
    const { store } = (await openStore(t, await temporaryDirectory(t))).exporter;
    const refused = /^400 .*invalid repetition size/s;
    const promql = { query: `up{job=~"${pattern}"}` };
    assert.match(await get(prometheusRoutes(store), '/prometheus/api/v1/query', promql), refused);
    const logql = { query: `{job=~"${pattern}"}` };
    assert.match(await get(lokiRoutes(store), '/loki/api/v1/query_range', logql), refused);
    const traceql = { q: `{name=~"${pattern}"}` };
    assert.match(await get(tempoRoutes(store), '/tempo/api/search', traceql), refused);
  });
});

describe('all query routes together', () => {
  it('answer behind the gate as they do alone', async t => {
    const { store } = (await openStore(t, await temporaryDirectory(t))).exporter;
    const all = await queryRoutes(store);
    assert.match(await get(all, '/prometheus/api/v1/query', { query: '1+1' }), /^200 .*"2"/);
    assert.match(await get(all, '/loki/api/v1/labels', {}), /^200 /);
    assert.match(await get(all, '/tempo/api/traces/zz', {}), /^400 /);
  });

  it('tell that the collector stops when the store is closed', async t => {
    const { exporter } = await openStore(t, await temporaryDirectory(t));
    const all = await queryRoutes(exporter.store);
    await exporter.store.close();
    assert.match(await get(all, '/loki/api/v1/labels', {}), /^503 the collector is stopping/);
    assert.match(await get(all, '/prometheus/api/v1/query', { query: 'up' }), /^503 /);
    assert.match(await get(all, '/tempo/api/search', {}), /^503 /);
  });
});
