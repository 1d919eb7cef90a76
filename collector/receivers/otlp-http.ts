// OTLP over HTTP: POST /v1/{traces,metrics,logs}, protobuf and JSON, gzip or plain.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { requestFromJson, Signal } from 'tricord/otlp';
import { type Endpoint, endpointText } from '../config/values.ts';
import { listenError, stopListening } from '../listen.ts';
import type { Admission } from './admission.ts';
import { readBody } from './http-body.ts';
import { REQUEST_BYTES_MAX, refusalOf, statusBytes, UnsupportedError } from './refusal.ts';
import { type Hold, RequestMemory } from './request-memory.ts';

const PATHS: ReadonlyMap<string, Signal> = new Map([
  ['/v1/traces', Signal.traces],
  ['/v1/metrics', Signal.metrics],
  ['/v1/logs', Signal.logs],
]);

/** A connection that dawdles is closed: headers, then the whole request, then the pause between two. */
const options = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2000,
  maxHeaderSize: 16 * 1024,
} as const;
const CONNECTIONS_MAX = 4096;
/** How long the rest of a refused body is read and forgotten, so that the sender gets to the answer. */
const DISCARD_MS = 2000;
const STOP_WITHIN_MS = 2000;

const PROTOBUF_TYPE = 'application/x-protobuf';
const JSON_TYPE = 'application/json';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export class HttpListener {
  readonly #endpoint: Endpoint;
  readonly #key: string;
  readonly #admission: Admission;
  readonly #server: Server;
  readonly #memory: RequestMemory;

  /** @param key the configuration key that holds the endpoint */
  constructor(
    endpoint: Endpoint,
    key: string,
    tls: (SecureContextOptions & TlsOptions) | undefined,
    admission: Admission,
    memory: RequestMemory = new RequestMemory(),
  ) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.#admission = admission;
    this.#memory = memory;
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#handle(request, response);
    };
    this.#server =
      tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener);
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws StartError that names the address and the key */
  async start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host: this.#endpoint.host, port: this.#endpoint.port }, resolve);
    await promise.catch(error => {
      throw listenError(this.#endpoint, this.#key, error);
    });
  }

  /** Where it listens; the port is the real one once started. */
  address(): string {
    return endpointText({ ...this.#endpoint, port: (this.#server.address() as AddressInfo).port });
  }

  /** Takes no new connections and lets requests under way finish. */
  async stop(): Promise<void> {
    await stopListening(this.#server, STOP_WITHIN_MS);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, type, body, headers } = await this.#answer(request);
    if (response.destroyed) return;
    if (!request.complete) discard(request);
    const closing = request.complete ? {} : { connection: 'close' };
    const length = String(Buffer.byteLength(body));
    response.writeHead(status, { 'content-type': type, 'content-length': length, ...headers, ...closing });
    response.end(body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const signal = PATHS.get(request.url?.split('?', 1)[0] ?? '');
    if (signal === undefined) return problem(404, `no such path; post to ${[...PATHS.keys()].join(', ')}`);
    if (request.method !== 'POST')
      return { ...problem(405, 'only POST is allowed'), headers: { allow: 'POST' } };
    const hold = this.#memory.hold(request.socket);
    try {
      return await this.#take(request, signal, hold);
    } finally {
      hold.release();
    }
  }

  async #take(request: IncomingMessage, signal: Signal, hold: Hold): Promise<Answer> {
    const type = contentType(request);
    let payload: Uint8Array;
    try {
      payload = await this.#payload(request, signal, type, hold);
    } catch (error) {
      const broken = request.errored !== null; // The client went away in the middle: nothing was refused.
      if (!broken) this.#admission.countRefusal(signal, error);
      return refused(error, type);
    }
    try {
      await this.#admission.admit(signal, payload);
    } catch (error) {
      return refused(error, type);
    }
    return { status: 200, type, body: type === JSON_TYPE ? '{}' : '' };
  }

  /** The request as protobuf. */
  async #payload(request: IncomingMessage, signal: Signal, type: string, hold: Hold): Promise<Uint8Array> {
    if (type !== PROTOBUF_TYPE && type !== JSON_TYPE) {
      throw new UnsupportedError(`the content type must be ${PROTOBUF_TYPE} or ${JSON_TYPE}`);
    }
    const body = await readBody(request, hold);
    if (type !== JSON_TYPE) return body;
    const payload = requestFromJson(signal, body, REQUEST_BYTES_MAX);
    hold.take(payload.length);
    return payload;
  }
}

function contentType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/** Reads the rest and forgets it, for a while: a sender that is cut off while sending does not see the answer. */
function discard(request: IncomingMessage): void {
  request.on('error', () => undefined);
  request.resume();
  const timer = setTimeout(() => request.destroy(), DISCARD_MS);
  request.once('close', () => clearTimeout(timer));
}

/** The answer to a failed request: `google.rpc.Status` in the content type of the request (OTLP/HTTP). */
function refused(error: unknown, type: string): Answer {
  const refusal = refusalOf(error);
  const { httpStatus, grpcCode, message, retryAfterMs } = refusal;
  const headers: Record<string, string> = {};
  if (retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterMs / 1000));
  if (refusal.reason === 'unsupported') headers['accept-encoding'] = 'gzip, identity';
  if (type === PROTOBUF_TYPE) return { status: httpStatus, type, body: statusBytes(refusal), headers };
  return { status: httpStatus, type: JSON_TYPE, body: JSON.stringify({ code: grpcCode, message }), headers };
}

function problem(status: number, message: string): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify({ code: 12, message }) };
}
