// The HTTP server of the web port: guards each request, hands it to a route or a file, and writes the answer.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Endpoint, endpointText } from '../config/values.ts';
import { listenError, stopListening } from '../listen.ts';
import type { Log } from '../log.ts';
import { OriginGuard } from './origin-guard.ts';
import {
  HttpError,
  json,
  pathSegments,
  type Route,
  Router,
  type WebRequest,
  type WebResponse,
} from './router.ts';
import type { StaticFiles } from './static-files.ts';

const options = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2000,
  maxHeaderSize: 16 * 1024,
} as const;
const CONNECTIONS_MAX = 1024;
/** A form with a long query fits; nothing that is posted here is data. */
const BODY_BYTES_MAX = 1024 * 1024;
const STOP_WITHIN_MS = 2000;

const securityHeaders = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

export interface WebServerOptions {
  readonly endpoint: Endpoint;
  readonly allowedHosts: readonly string[];
  readonly files: StaticFiles;
  readonly log: Log;
}

export class WebServer {
  readonly #options: WebServerOptions;
  readonly #guard: OriginGuard;
  readonly #router = new Router();
  readonly #server: Server;

  constructor(settings: WebServerOptions) {
    this.#options = settings;
    this.#guard = new OriginGuard(settings.endpoint, settings.allowedHosts);
    this.#server = createServer(options, (request, response) => void this.#handle(request, response));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  mount(routes: readonly Route[]): void {
    this.#router.add(routes);
  }

  /** @throws StartError that names the address and the key */
  async start(): Promise<void> {
    const { endpoint } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host: endpoint.host, port: endpoint.port }, resolve);
    await promise.catch(error => {
      throw listenError(endpoint, 'service.web.endpoint', error);
    });
  }

  /** Where it listens; the port is the real one once started. */
  address(): string {
    const { port } = this.#server.address() as AddressInfo;
    return endpointText({ ...this.#options.endpoint, port });
  }

  async stop(): Promise<void> {
    await stopListening(this.#server, STOP_WITHIN_MS);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      const answer = await this.#answer(request, gone.signal).catch(error => this.#failure(request, error));
      await send(request, response, answer);
    } catch (error) {
      // The connection broke, or a body failed half-way: there is nothing left to say to this client.
      if (!gone.signal.aborted) this.#options.log.warn('answer broken off', { reason: error });
      response.destroy();
    }
  }

  async #answer(request: IncomingMessage, signal: AbortSignal): Promise<WebResponse> {
    this.#guard.check(request);
    const { method = 'GET', url = '', headers } = request;
    const segments = pathSegments(url);
    const match = this.#router.match(method, segments);
    if (match === null) {
      const file =
        method === 'GET' || method === 'HEAD' ? this.#options.files.respond(segments, headers) : undefined;
      return file ?? json(404, { error: 'no such path' });
    }
    const body = await readBody(request);
    const { handler, params } = match;
    const path = `/${segments.join('/')}`;
    return await handler({ method, path, params, query: queryOf(url, headers, body), headers, body, signal });
  }

  #failure(request: IncomingMessage, error: unknown): WebResponse {
    if (error instanceof HttpError) return json(error.status, { error: error.message }, error.headers);
    this.#options.log.error('request failed', { url: request.url, reason: error });
    return json(500, { error: 'internal error' });
  }
}

/** Parameters of the query string, then those of a form (Grafana posts long queries). */
function queryOf(url: string, headers: WebRequest['headers'], body: Uint8Array): URLSearchParams {
  const mark = url.indexOf('?');
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark));
  if (headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    for (const [name, value] of new URLSearchParams(Buffer.from(body).toString())) query.append(name, value);
  }
  return query;
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new HttpError(413, `more than ${BODY_BYTES_MAX} bytes`, { connection: 'close' });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function send(request: IncomingMessage, response: ServerResponse, answer: WebResponse): Promise<void> {
  const { status, headers, body } = answer;
  const whole = typeof body === 'string' || body instanceof Uint8Array;
  const length = whole && status !== 304 ? { 'content-length': String(Buffer.byteLength(body)) } : {};
  response.writeHead(status, { ...securityHeaders, ...headers, ...length });
  if (request.method === 'HEAD') response.end();
  else if (whole) response.end(body);
  else await pipeline(Readable.from(body), response);
  if (!request.complete) request.resume();
}
