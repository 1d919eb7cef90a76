// One request to the shop, found again on all three signals; and what else sends to the same collector.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Collector, eventually, type Service, Stack } from './stack.ts';

describe('one request with a tenant', () => {
  const stack = new Stack();
  let collector: Collector;
  let shop: Service;
  let traceId = '';

  before(async () => {
    collector = await stack.collector(await stack.folder());
    const inventory = await stack.service('inventory', collector);
    shop = await stack.service('shop', collector, { INVENTORY_URL: inventory.url });
    const response = await fetch(`${shop.url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-tenant': 'acme' },
      body: JSON.stringify({ sku: 'field-notebook', quantity: 3 }),
    });
    assert.equal(response.status, 201, await response.text());
  });

  after(() => stack.end());

  it('is one trace with spans of both services, linked to each other', async () => {
    const spans = await eventually(async () => {
      const [found] = await collector.traces('{resource.service.name="shop" && name="POST /orders"}');
      assert.ok(found, 'no trace of the shop yet');
      traceId = found;
      const all = await collector.trace(found);
      assert.deepEqual(new Set(all.map(({ service }) => service)), new Set(['shop', 'inventory']));
      assert.equal(all.length, 4);
      return all;
    });
    const names = ['POST /orders', 'POST', 'POST /reservations', 'update stock'];
    const [server, client, remote, query] = names.map(name => spans.find(span => span.name === name));
    assert.ok(server && client && remote && query, `spans: ${spans.map(({ name }) => name).join(', ')}`);
    assert.deepEqual([server.service, client.service, remote.service], ['shop', 'shop', 'inventory']);
    assert.equal(client.parentSpanId, server.spanId);
    assert.equal(remote.parentSpanId, client.spanId);
    assert.equal(query.parentSpanId, remote.spanId);
    assert.equal(server.attributes['http.route'], '/orders');
    assert.equal(Number(server.attributes['http.response.status_code']), 201);
    assert.equal(client.attributes.tenant, 'acme');
  });

  it('has log lines of both services under the same trace ID, with the label', async () => {
    await eventually(async () => {
      const lines = await collector.logs(`{service_name=~".+"} | trace_id="${traceId}"`);
      const of = (service: string) => lines.filter(({ labels }) => labels.service_name === service);
      const placed = of('shop').find(({ line }) => line.includes('order placed'));
      assert.ok(placed, `lines so far: ${lines.map(({ line }) => line).join(', ')}`);
      assert.equal(placed.labels.tenant, 'acme');
      assert.equal(placed.labels.sku, 'field-notebook');
      assert.ok(of('inventory').some(({ line }) => line.includes('reserved')));
    });
  });

  it('has an exemplar of the request duration with its trace ID', async () => {
    await eventually(async () => {
      const query = 'http_server_request_duration_seconds_bucket{job="shop",http_route="/orders"}';
      const end = Date.now() / 1000 + 60;
      const { data } = await collector.ask('/prometheus/api/v1/query_exemplars', {
        query,
        start: end - 3600,
        end,
      });
      const ids = data.flatMap(({ exemplars }: { exemplars: { labels: { trace_id: string } }[] }) =>
        exemplars.map(one => one.labels.trace_id),
      );
      assert.ok(ids.includes(traceId), `exemplars: ${ids.join(', ')}`);
    });
  });

  it('has metric points with the label, and the counters of prom-client', async () => {
    await eventually(async () => {
      const value = async (query: string): Promise<string | undefined> => {
        const { data } = await collector.ask('/prometheus/api/v1/query', { query });
        return data.result[0]?.value[1];
      };
      assert.equal(
        await value('shop_order_value_EUR_sum{tenant="acme"} or shop_order_value_sum{tenant="acme"}'),
        '36',
      );
      assert.equal(await value('inventory_reservations_total{outcome="reserved"}'), '1');
      assert.equal(
        await value('http_server_request_duration_seconds_count{job="inventory",http_route="/reservations"}'),
        '1',
      );
    });
  });

  it('leaves the line on the application’s stdout with its trace ID', () => {
    assert.match(shop.child.tail(), new RegExp(`"trace_id":"${traceId}".*"msg":"order placed"`));
  });
});

describe('an application on the stock OpenTelemetry SDK', () => {
  const stack = new Stack();
  after(() => stack.end());

  for (const exporter of ['stock', 'tricord']) {
    it(`arrives at the same collector: exporter ${exporter}`, async () => {
      const collector = await stack.collector(await stack.folder());
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.endpoints.grpc}`,
        NEWSLETTER_EXPORTER: exporter,
        ROUNDS: '1',
      };
      await stack.start('newsletter', 'examples/stock-otel', ['main.ts'], env, /sent/);
      await eventually(async () => {
        const [found] = await collector.traces('{resource.service.name="newsletter"}');
        assert.ok(found, 'no trace of the newsletter yet');
        const names = (await collector.trace(found)).map(({ name }) => name);
        assert.deepEqual(names.sort(), ['newsletter send', 'render']);
      });
    });
  }
});
