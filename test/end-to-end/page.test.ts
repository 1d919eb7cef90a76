// The page in a real browser: from the services to a plot's exemplar to its trace and its log lines.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { findBrowser, Window } from './browser.ts';
import { type Collector, eventually, type Service, Stack } from './stack.ts';

const browser = findBrowser();
const skip = browser === undefined && 'there is no Chromium on the path (apt-get install chromium)';

describe('the page', { skip }, () => {
  const stack = new Stack();
  let collector: Collector;
  let shop: Service;
  let window: Window;

  async function order(sku: string, headers: Record<string, string> = {}): Promise<void> {
    const body = JSON.stringify({ sku, quantity: 1 });
    await (
      await fetch(`${shop.url}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-tenant': 'acme', ...headers },
        body,
      })
    ).text();
  }

  /** Requests over as many metric collections as rate() needs, a slow one among them. */
  async function load(): Promise<void> {
    await fetch(`${shop.url}/products/antique-globe`);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 5; i++) await order('field-notebook');
      const before = await samples();
      await eventually(async () => assert.ok((await samples()) > before, 'no new collection'));
    }
    await order('<img src=x onerror=alert(1)>');
  }

  async function samples(): Promise<number> {
    const query =
      'count_over_time(http_server_request_duration_seconds_count{job="shop",http_route="/orders"}[5m])';
    const { data } = await collector.ask('/prometheus/api/v1/query', { query });
    return Number(data.result[0]?.value[1] ?? 0);
  }

  before(async () => {
    collector = await stack.collector(await stack.folder());
    const inventory = await stack.service('inventory', collector);
    shop = await stack.service('shop', collector, { INVENTORY_URL: inventory.url });
    await load();
    window = await Window.open(browser!);
  });

  after(async () => {
    await window?.close();
    await stack.end();
  });

  it('lists the services with rate, errors and latency, and the traces', async () => {
    const { page } = window;
    await page.goto(collector.url);
    await page.waitForSelector('.services tbody tr:nth-child(2)');
    const rows = await page.$$eval('.services tbody tr', all =>
      all.map(row => [...row.cells].map(cell => cell.innerText)),
    );
    assert.deepEqual(
      rows.map(([name]) => name),
      ['inventory', 'shop'],
    );
    for (const [, rate, errors, p50] of rows) {
      assert.match(rate!, /^[\d.]+\/s$/);
      assert.match(errors!, /%$/);
      assert.match(p50!, /^[\d.]+ (ms|µs|s)$/);
    }
    await page.waitForSelector('.traces li');
    const [, slowest] = await page.$$eval('section', all => all.map(section => section.innerText));
    assert.match(slowest!, /^Slowest traces\s+shop GET \/products\/:sku/);
    await window.picture('services');
  });

  it('plots a service, and opens the trace of an exemplar that is clicked', async () => {
    const { page } = window;
    await page.selectOption('select', '5');
    await page.click('.services a:text("shop")');
    await page.waitForSelector('[data-plot="Latency"] canvas');
    await window.picture('service');
    await clickExemplar();
    await page.waitForSelector('.waterfall .row');
    assert.match(page.url(), /#\/trace\/[0-9a-f]{32}$/);
  });

  /** Moves over the latency plot until the pointer says that there is something to click. */
  async function clickExemplar(): Promise<void> {
    const { page } = window;
    const over = page.locator('[data-plot="Latency"] .u-over');
    const box = (await over.boundingBox())!;
    for (let x = box.width - 4; x > 0; x -= 9) {
      for (let y = box.height - 2; y > 0; y -= 9) {
        await page.mouse.move(box.x + x, box.y + y);
        if ((await over.evaluate(element => element.style.cursor)) !== 'pointer') continue;
        await page.mouse.click(box.x + x, box.y + y);
        return;
      }
    }
    assert.fail('no exemplar on the latency plot');
  }

  it('shows a trace across both services with its log lines beside it', async () => {
    const { page } = window;
    const [traceId] = await collector.traces(
      '{resource.service.name="shop" && name="POST /orders" && status!=error}',
    );
    await page.goto(`${collector.url}/#/trace/${traceId}`);
    await page.waitForSelector('.logs li:nth-child(2)');
    const names = await page.$$eval('.waterfall .name', all => all.map(name => name.textContent!.trim()));
    assert.equal(names.length, 4);
    assert.match(names[0]!, /^shop POST \/orders/);
    assert.match(names[2]!, /^inventory POST \/reservations/);
    assert.match(names[3]!, /^inventory UPDATE stock/i);
    const lines = await page.$$eval('.logs .text', all => all.map(line => line.textContent!));
    assert.ok(lines.some(line => line.startsWith('order received')));
    await page.click('.waterfall .row:nth-of-type(2) button');
    await page.waitForSelector('.details dt:text("http.route")');
    await window.picture('trace');
  });

  it('shows hostile names as text', async () => {
    const { page } = window;
    const found = await eventually(async () => {
      const [line] = await collector.logs('{service_name="shop"} | sku=~".*onerror.*"');
      assert.ok(line);
      return line;
    });
    await page.goto(`${collector.url}/#/trace/${found.labels.trace_id}`);
    await page.waitForSelector('.logs li');
    assert.match(await page.innerText('.logs'), /<img src=x onerror=alert\(1\)>/);
    assert.equal(await page.locator('.logs img').count(), 0);
  });

  it('says so when there is no such trace', async () => {
    const { page } = window;
    await page.goto(`${collector.url}/#/trace/${'0'.repeat(31)}1`);
    await page.waitForSelector('.empty');
    assert.match(await page.innerText('main'), /There is no such trace/);
  });

  it('shows the ledger, balanced, in light and dark', async () => {
    const { page } = window;
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(`${collector.url}/ledger`);
      await page.waitForSelector('.ledger tbody tr:nth-child(3)');
      assert.match(page.url(), /#\/ledger$/);
      await window.picture(`ledger-${colorScheme}`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    const rows = await page.$$eval('.ledger tbody tr', all =>
      all.map(row => [...row.cells].map(cell => cell.innerText)),
    );
    assert.deepEqual(rows.map(([way]) => way!.split('\n')[0]).sort(), [
      'logs otlp → store',
      'metrics otlp → store',
      'traces otlp → store',
    ]);
    for (const row of rows) {
      const [recovered, accepted, delivered] = row
        .slice(1, 4)
        .map(cell => Number(cell.replaceAll(/\D/g, '')));
      assert.equal(recovered, 0);
      assert.ok(accepted! > 0 && delivered! > 0);
      assert.equal(row.at(-1), '0');
    }
  });

  it('marks a row of the ledger that has a gap', async () => {
    const { page } = window;
    await page.route('**/ledger?', async route => {
      const response = await route.fetch();
      const ledger = await response.json();
      ledger.rows[0] = { ...ledger.rows[0], delivered: 1, gap: 41, dropped: { gave_up: 1200, damaged: 3 } };
      await route.fulfill({ response, json: ledger });
    });
    await page.goto(`${collector.url}/#/ledger`);
    await page.reload();
    await page.waitForSelector('.ledger .gap');
    assert.equal(await page.innerText('.ledger .gap td:last-child'), '41');
    assert.match(await page.innerText('.failure'), /1 row has a gap/);
    await window.picture('ledger-gap');
    await page.unroute('**/ledger?');
  });

  it('had nothing to complain about', () => {
    assert.deepEqual(window.complaints, []);
  });
});
