// A thin gRPC client over node:http2: one connection, unary calls and bidirectional streams, statuses, keep-alive.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { limits } from '../limits.ts';
import { type EndpointOptions, parseEndpoint, tlsOptions } from './endpoint.ts';
import { GrpcCode, type GrpcStatus, statusOf, statusOfHttp, unavailable } from './grpc-status.ts';

/** Bytes in front of each message: a flag for compression and the length. */
export const GRPC_PREFIX_BYTES = 5;
const KEEPALIVE_MS = 15_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
const RESPONSE_BYTES_FIRST = 256;
const HEADER_LIST_BYTES_MAX = 64 * 1024;

/** For calls of which a message may be gzip. */
export const GZIP_HEADERS: Readonly<Record<string, string>> = { 'grpc-encoding': 'gzip' };

/** Writes the prefix of a message that lies in `bytes[start, bytes.length)`, and returns where the prefix begins. */
export function prefixMessage(bytes: Uint8Array, start: number, isGzip = false): number {
  const length = bytes.length - start;
  const at = start - GRPC_PREFIX_BYTES;
  bytes[at] = isGzip ? 1 : 0;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at + 1, length);
  return at;
}

/** The other side of a call. `end` is called once, as the last. */
export interface CallHandlers {
  /** A message; the view is valid only within the call. */
  message(bytes: Uint8Array): void;
  /** The socket takes more after a `write` that returned false. */
  drain(): void;
  end(status: GrpcStatus): void;
}

export interface UnaryReply {
  readonly status: GrpcStatus;
  /** The response message; undefined unless the status is OK. */
  readonly message: Uint8Array | undefined;
}

export interface GrpcOptions extends EndpointOptions {
  readonly keepaliveMs?: number | undefined;
  readonly keepaliveTimeoutMs?: number | undefined;
}

/**
 * One HTTP/2 connection. It connects at once. When it is lost every call on it ends with UNAVAILABLE; when the peer sends
 * GOAWAY without an error, the calls under way may still end in order. In both cases it takes no new ones, `closed` is
 * called once, and the caller makes a new connection if it wants.
 *
 * A peer that does not answer a ping in time is lost: that finds half-open connections.
 *
 * It keeps neither its thread nor the process alive, but while it closes in order.
 */
export class GrpcConnection {
  readonly #session: ClientHttp2Session;
  readonly #options: GrpcOptions;
  readonly #closed: (status: GrpcStatus) => void;
  readonly #calls = new Set<GrpcCall>();
  #timer: NodeJS.Timeout;
  #lost: GrpcStatus | undefined;

  /** @throws OptionError for an endpoint that is none */
  constructor(options: GrpcOptions, closed: (status: GrpcStatus) => void) {
    this.#options = options;
    this.#closed = closed;
    const url = parseEndpoint(options);
    this.#session = connect(url.origin, {
      ...tlsOptions(options),
      settings: { enablePush: false, maxHeaderListSize: HEADER_LIST_BYTES_MAX },
    });
    this.#session.unref();
    this.#timer = setTimeout(() => this.#lose('no connection in time'), options.timeoutMs).unref();
    this.#session.on('connect', () => this.#keepAlive());
    this.#session.on('error', error => this.#lose(reasonOf(error)));
    this.#session.on('goaway', code => this.#goAway(code));
    this.#session.on('close', () => this.#lose('the connection was closed'));
  }

  /** Starts a call of the method at `path`, like `/package.Service/Method`. */
  call(path: string, handlers: CallHandlers, headers: Readonly<Record<string, string>> = {}): GrpcCall {
    const call = new GrpcCall(handlers, ended => this.#calls.delete(ended));
    this.#calls.add(call);
    if (this.#lost !== undefined) {
      call.fail(this.#lost);
      return call;
    }
    try {
      call.start(this.#session.request({ ...this.#headers(), ...headers, ':path': path }));
    } catch (error) {
      call.fail(unavailable(reasonOf(error)));
    }
    return call;
  }

  /** One request, one response, within the deadline. `framed` begins with the prefix. Never rejects. */
  unary(
    path: string,
    framed: Uint8Array,
    deadlineMs: number,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<UnaryReply> {
    const { promise, resolve } = Promise.withResolvers<UnaryReply>();
    let message: Uint8Array | undefined;
    // The timer comes first: a call on a lost connection ends before it is returned.
    const timer = setTimeout(
      () => call.fail({ code: GrpcCode.deadlineExceeded, message: `no answer within ${deadlineMs} ms` }),
      deadlineMs,
    ).unref();
    const handlers: CallHandlers = {
      message: bytes => {
        if (message === undefined) message = bytes.slice();
        else call.fail({ code: GrpcCode.internal, message: 'two messages in a unary response' });
      },
      drain: () => {},
      end: status => {
        clearTimeout(timer);
        if (status.code !== GrpcCode.ok) resolve({ status, message: undefined });
        else resolve({ status, message: message ?? new Uint8Array(0) });
      },
    };
    const call = this.call(path, handlers, { ...headers, 'grpc-timeout': `${Math.ceil(deadlineMs)}m` });
    call.write(framed);
    call.finish();
    return promise;
  }

  /** Lets calls under way end, then closes; within the time, or it is destroyed. Resolves when it is closed. */
  close(withinMs: number): Promise<void> {
    const session = this.#session;
    if (session.destroyed) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.destroy(), withinMs);
    session.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    session.ref();
    if (!session.closed) session.close();
    return promise;
  }

  /** Ends everything now. */
  destroy(): void {
    this.#lose('closed by this side');
  }

  #headers(): Record<string, string> {
    return {
      ...Object.fromEntries(
        Object.entries(this.#options.headers).map(([name, value]) => [name.toLowerCase(), value]),
      ),
      ':method': 'POST',
      te: 'trailers',
      'content-type': 'application/grpc+proto',
      'user-agent': 'tricord',
    };
  }

  /** Pings for as long as the connection lives. */
  #keepAlive(): void {
    clearTimeout(this.#timer);
    const { keepaliveMs = KEEPALIVE_MS, keepaliveTimeoutMs = KEEPALIVE_TIMEOUT_MS } = this.#options;
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(() => this.#lose('a ping was not answered'), keepaliveTimeoutMs).unref();
      if (!this.#session.destroyed) this.#session.ping(error => error === null && this.#keepAlive());
    }, keepaliveMs).unref();
  }

  #goAway(code: number): void {
    const reason = `the peer went away (HTTP/2 code ${code})`;
    if (code !== constants.NGHTTP2_NO_ERROR) this.#lose(reason);
    else this.#refuseCalls(unavailable(reason));
  }

  #lose(reason: string): void {
    const status = this.#lost ?? unavailable(reason);
    clearTimeout(this.#timer);
    this.#session.destroy();
    for (const call of [...this.#calls]) call.fail(status);
    this.#refuseCalls(status);
  }

  #refuseCalls(status: GrpcStatus): void {
    if (this.#lost !== undefined) return;
    this.#lost = status;
    this.#closed(status);
  }
}

/** One call. Outgoing messages are framed by the caller; incoming ones are taken apart here, each within the limit. */
class GrpcCall {
  readonly #handlers: CallHandlers;
  readonly #forget: (call: GrpcCall) => void;
  readonly #messages: MessageReader;
  #stream: ClientHttp2Stream | undefined;
  #status: GrpcStatus | undefined;
  #ended = false;

  constructor(handlers: CallHandlers, forget: (call: GrpcCall) => void) {
    this.#handlers = handlers;
    this.#forget = forget;
    this.#messages = new MessageReader(message => {
      if (!this.#ended) handlers.message(message);
    });
  }

  start(stream: ClientHttp2Stream): void {
    this.#stream = stream;
    stream.on('response', headers => {
      this.#status = statusOf(headers);
      const foreign = statusOfHttp(headers[':status'] ?? 0, headers['content-type']);
      if (foreign !== undefined) this.fail(this.#status ?? foreign);
    });
    stream.on('trailers', headers => {
      this.#status = statusOf(headers) ?? this.#status;
    });
    stream.on('data', (chunk: Buffer) => {
      const fault = this.#messages.push(chunk);
      if (fault !== undefined) this.fail(fault);
    });
    stream.on('drain', () => this.#handlers.drain());
    stream.on('error', error => this.fail(unavailable(reasonOf(error))));
    stream.on('end', () => {
      // The peer may end a call that this side has not: there is no close before both have.
      if (!stream.writableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
      this.#end(this.#status ?? resetStatus(stream.rstCode));
    });
    stream.on('close', () => this.#end(this.#status ?? resetStatus(stream.rstCode)));
  }

  /**
   * Sends a framed message; false when the socket's buffer is full and `drain` will follow.
   * @param done called when the bytes are not read any more, or never will be; not when the call had ended before
   */
  write(framed: Uint8Array, done?: () => void): boolean {
    if (this.#ended || this.#stream === undefined) return false;
    return this.#stream.write(framed, done);
  }

  /** No message follows from here. */
  finish(): void {
    if (!this.#ended) this.#stream?.end();
  }

  /** Ends the call from this side. */
  fail(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    this.#end(status);
  }

  #end(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forget(this);
    this.#handlers.end(status);
  }
}

export type { GrpcCall };

/** Takes the bytes of a response apart into messages. */
class MessageReader {
  readonly #deliver: (message: Uint8Array) => void;
  #bytes: Buffer = Buffer.alloc(RESPONSE_BYTES_FIRST);
  #length = 0;

  /** @param deliver gets views that are valid only within the call */
  constructor(deliver: (message: Uint8Array) => void) {
    this.#deliver = deliver;
  }

  /** Returns the status that the call must end with when the bytes cannot be accepted. */
  push(chunk: Buffer): GrpcStatus | undefined {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      this.#bytes = Buffer.concat(
        [this.#bytes.subarray(0, this.#length)],
        Math.max(length, 2 * this.#bytes.length),
      );
    }
    chunk.copy(this.#bytes, this.#length);
    this.#length = length;
    let at = 0;
    while (length - at >= GRPC_PREFIX_BYTES) {
      const size = this.#bytes.readUInt32BE(at + 1);
      const fault = faultOf(this.#bytes[at]!, size);
      if (fault !== undefined) return fault;
      const start = at + GRPC_PREFIX_BYTES;
      if (length - start < size) break;
      at = start + size;
      this.#deliver(this.#bytes.subarray(start, at));
    }
    this.#bytes.copyWithin(0, at, length);
    this.#length = length - at;
    return undefined;
  }
}

function faultOf(flag: number, size: number): GrpcStatus | undefined {
  if (flag !== 0) return { code: GrpcCode.internal, message: 'a compressed message, which was not offered' };
  if (size <= limits.response_bytes_max) return undefined;
  const message = `a response of ${size} bytes, over ${limits.response_bytes_max}`;
  return { code: GrpcCode.resourceExhausted, message };
}

/** A stream that closed without a status. */
function resetStatus(code: number | undefined): GrpcStatus {
  return unavailable(`the call was reset (HTTP/2 code ${code ?? 'none'})`);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return message && code && !message.includes(code) ? `${message} (${code})` : (message ?? String(error));
}
