// The web port: routes and files, who may ask, and hostile paths.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Log } from '../../../collector/log.ts';
import { HttpError, json, route } from '../../../collector/web/router.ts';
import { WebServer } from '../../../collector/web/server.ts';
import { StaticFiles } from '../../../collector/web/static-files.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

describe('the web port', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tricord-web-'));
  let server: WebServer;
  let port: number;

  before(async () => {
    writeFileSync(join(folder, 'index.html'), '<p>page</p>');
    writeFileSync(join(folder, 'main.js'), 'page');
    writeFileSync(join(folder, 'secret.key'), 'never served');
    const endpoint = { host: '127.0.0.1', port: 0 };
    const files = await StaticFiles.load(folder);
    server = new WebServer({
      endpoint,
      allowedHosts: ['grafana.example'],
      files,
      log: new Log(() => undefined),
    });
    server.mount([
      route(['GET', 'POST'], '/echo/:name/end', ({ params, query, path }) =>
        json(200, { params, query: [...query], path }),
      ),
      route(['GET'], '/fails', () => {
        throw new HttpError(422, 'bad query');
      }),
      route(['GET'], '/breaks', () => {
        throw new TypeError('internal detail');
      }),
      route(['GET'], '/stream', async () => ({ status: 200, body: chunks() })),
    ]);
    await server.start();
    port = Number(server.address().split(':')[1]);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  async function* chunks(): AsyncGenerator<string> {
    yield 'one,';
    yield 'two';
  }

  /** By node:http, which sends paths and Host headers as they are. */
  const ask = async (
    path: string,
    {
      method = 'GET',
      headers = {},
      body = '',
    }: { method?: string; headers?: Record<string, string>; body?: string } = {},
  ): Promise<Answer> => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const text = Buffer.concat(await response.toArray()).toString();
    return { status: response.statusCode!, headers: response.headers, body: text };
  };

  it('hands a decoded path, its parameters and the query to the route', async () => {
    const { status, body } = await ask('/echo/a%20b%2Fc/end?x=1&x=2');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), {
      params: { name: 'a b/c' },
      query: [
        ['x', '1'],
        ['x', '2'],
      ],
      path: '/echo/a b/c/end',
    });
  });

  it('appends a form to the query', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    const { body } = await ask('/echo/n/end?a=1', { method: 'POST', headers, body: 'query=up%2B1&b=2' });
    assert.deepEqual((JSON.parse(body) as { query: unknown }).query, [
      ['a', '1'],
      ['query', 'up+1'],
      ['b', '2'],
    ]);
  });

  it('answers HEAD without a body, and streams', async () => {
    const head = await ask('/echo/n/end', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [200, '']);
    assert.ok(Number(head.headers['content-length']) > 0);
    assert.equal((await ask('/stream')).body, 'one,two');
  });

  it('turns errors into JSON, and tells nothing of internal ones', async () => {
    assert.deepEqual(
      [(await ask('/fails')).status, (await ask('/fails')).body],
      [422, '{"error":"bad query"}'],
    );
    const broken = await ask('/breaks');
    assert.deepEqual([broken.status, broken.body], [500, '{"error":"internal error"}']);
    const wrong = await ask('/fails', { method: 'DELETE' });
    assert.deepEqual([wrong.status, wrong.headers.allow], [405, 'GET, HEAD']);
    assert.equal((await ask('/nothing')).status, 404);
  });

  it('serves the page with its security headers, and nothing that is no page file', async () => {
    const { status, headers, body } = await ask('/');
    assert.deepEqual(
      [status, body, headers['content-type']],
      [200, '<p>page</p>', 'text/html; charset=utf-8'],
    );
    assert.match(String(headers['content-security-policy']), /default-src 'self'/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    const again = await ask('/', { headers: { 'if-none-match': String(headers.etag) } });
    assert.deepEqual([again.status, again.body], [304, '']);
    assert.equal((await ask('/secret.key')).status, 404);
  });

  const hostile = [
    '/../x',
    '/%2e%2e/x',
    '/a/%2e%2e%2fx',
    '/%252e%252e/x',
    '/a%00b',
    '/%zz',
    '/..%5cx',
    '/./x',
  ];
  for (const path of hostile) {
    it(`answers 400 to ${path}`, async () => {
      assert.equal((await ask(path)).status, 400);
    });
  }

  it('takes a body of 1 MiB and not one byte more', async () => {
    const headers = { 'content-type': 'text/plain' };
    const body = 'x'.repeat(1024 * 1024);
    assert.equal((await ask('/echo/n/end', { method: 'POST', headers, body })).status, 200);
    assert.equal((await ask('/echo/n/end', { method: 'POST', headers, body: `${body}x` })).status, 413);
  });

  const own = (): string => `127.0.0.1:${port}`;
  const guarded: readonly (readonly [
    what: string,
    headers: () => Record<string, string>,
    method: string,
    status: number,
  ])[] = [
    ['its own address', () => ({ host: own() }), 'GET', 200],
    ['localhost', () => ({ host: `localhost:${port}` }), 'GET', 200],
    ['the IPv6 loopback', () => ({ host: `[::1]:${port}` }), 'GET', 200],
    ['a configured name', () => ({ host: 'grafana.example' }), 'GET', 200],
    ['a foreign name', () => ({ host: 'evil.example' }), 'GET', 403],
    ['a name that only begins like ours', () => ({ host: '127.0.0.1.evil.example' }), 'GET', 403],
    ['a Host that is none', () => ({ host: 'a b' }), 'GET', 403],
    ['its own origin', () => ({ host: own(), origin: `http://${own()}` }), 'POST', 200],
    ['a foreign origin', () => ({ host: own(), origin: 'http://evil.example' }), 'GET', 403],
    [
      'localhost on another port',
      () => ({ host: `localhost:${port}`, origin: 'http://localhost:1' }),
      'POST',
      403,
    ],
    ['an opaque origin', () => ({ host: own(), origin: 'null' }), 'POST', 403],
    ['a cross-site form', () => ({ host: own(), 'sec-fetch-site': 'cross-site' }), 'POST', 403],
    ['a link from another site', () => ({ host: own(), 'sec-fetch-site': 'cross-site' }), 'GET', 200],
  ];
  for (const [what, headers, method, status] of guarded) {
    it(`answers ${status} to ${method} from ${what}`, async () => {
      assert.equal((await ask('/echo/n/end', { headers: headers(), method })).status, status);
    });
  }
});
