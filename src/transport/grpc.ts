// A thin gRPC client: one HTTP/2 connection, unary calls and bidirectional streams, statuses, keep-alive.
import { limits } from '../limits.ts';
import { type EndpointOptions, parseEndpoint, tlsOptions } from './endpoint.ts';
import { GrpcCode, type GrpcStatus, statusOf, statusOfHttp, unavailable } from './grpc-status.ts';
import { Http2Connection } from './http2/connection.ts';
import { ErrorCode } from './http2/frame.ts';
import type { Field, Fields } from './http2/hpack.ts';
import type { Http2Stream } from './http2/stream.ts';

/** Bytes in front of each message: a flag for compression and the length. */
export const GRPC_PREFIX_BYTES = 5;
const KEEPALIVE_MS = 15_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;
const RESPONSE_BYTES_FIRST = 256;

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
 * A peer that has said nothing for a while is pinged, and lost when it says nothing then either: that finds half-open
 * connections. Whatever it says counts, as a ping waits behind all that was written before it, and its answer may be long in coming.
 *
 * It keeps neither its thread nor the process alive, but while it closes in order.
 */
export class GrpcConnection {
  readonly #http2: Http2Connection;
  readonly #options: GrpcOptions;
  /** What every call sends: the options' headers, and in their place what gRPC asks for. */
  readonly #common: readonly Field[];
  readonly #closed: (status: GrpcStatus) => void;
  readonly #ended = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout;
  #lost: GrpcStatus | undefined;

  /** @throws OptionError for an endpoint that is none */
  constructor(options: GrpcOptions, closed: (status: GrpcStatus) => void) {
    this.#options = options;
    this.#closed = closed;
    this.#common = [
      ...Object.entries(options.headers).map(([name, value]): Field => [name.toLowerCase(), value]),
      ['te', 'trailers'],
      ['content-type', 'application/grpc+proto'],
      ['user-agent', 'tricord'],
    ];
    this.#http2 = new Http2Connection(parseEndpoint(options), tlsOptions(options), {
      connected: () => this.#keepAlive(),
      leaving: code => this.#goAway(code),
      closed: reason => this.#lose(reason),
    });
    this.#timer = setTimeout(() => this.#http2.destroy('no connection in time'), options.timeoutMs).unref();
  }

  /** Starts a call of the method at `path`, like `/package.Service/Method`. */
  call(path: string, handlers: CallHandlers, headers: Readonly<Record<string, string>> = {}): GrpcCall {
    const call = new GrpcCall(handlers);
    if (this.#lost !== undefined) call.fail(this.#lost);
    else call.start(this.#http2, this.#fields(path, headers));
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
    const timer = setTimeout(() => this.destroy(), withinMs);
    this.#http2.close();
    return this.#ended.promise.finally(() => clearTimeout(timer));
  }

  /** Ends everything now. */
  destroy(): void {
    this.#http2.destroy('closed by this side');
  }

  #fields(path: string, headers: Readonly<Record<string, string>>): Field[] {
    const pseudo = [
      [':method', 'POST'],
      [':path', path],
    ] as const;
    return [...new Map<string, string>([...pseudo, ...this.#common, ...Object.entries(headers)])];
  }

  /** Looks for life on the connection, for as long as it has it. */
  #keepAlive(): void {
    const { keepaliveMs = KEEPALIVE_MS } = this.#options;
    const silentMs = performance.now() - this.#http2.heardAtMs;
    if (silentMs >= keepaliveMs) this.#ping();
    else this.#after(keepaliveMs - silentMs, () => this.#keepAlive());
  }

  #ping(): void {
    const { keepaliveTimeoutMs = KEEPALIVE_TIMEOUT_MS } = this.#options;
    const { heardAtMs } = this.#http2;
    this.#http2.ping();
    this.#after(keepaliveTimeoutMs, () => {
      if (this.#http2.heardAtMs === heardAtMs) this.#http2.destroy('a ping was not answered');
      else this.#keepAlive();
    });
  }

  #after(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms).unref();
  }

  #goAway(code: number): void {
    const reason = `the peer went away (HTTP/2 code ${code})`;
    if (code !== ErrorCode.none) this.#http2.destroy(reason);
    else this.#refuseCalls(unavailable(reason));
  }

  #lose(reason: string): void {
    clearTimeout(this.#timer);
    this.#refuseCalls(unavailable(reason));
    this.#ended.resolve();
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
  readonly #messages: MessageReader;
  #stream: Http2Stream | undefined;
  #status: GrpcStatus | undefined;
  #ended = false;

  constructor(handlers: CallHandlers) {
    this.#handlers = handlers;
    this.#messages = new MessageReader(message => {
      if (!this.#ended) handlers.message(message);
    });
  }

  start(http2: Http2Connection, request: readonly Field[]): void {
    this.#stream = http2.request(request, {
      fields: fields => this.#answered(fields),
      data: bytes => this.#read(bytes),
      drain: () => this.#handlers.drain(),
      end: fault => this.#end(this.#status ?? unavailable(fault ?? 'the call ended without a status')),
    });
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
    this.#stream?.finish();
  }

  /** Ends the call from this side. */
  fail(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#stream?.reset(ErrorCode.cancel);
    this.#end(status);
  }

  /** The response's head, or its trailers. */
  #answered(fields: Fields): void {
    this.#status = statusOf(fields) ?? this.#status;
    const httpStatus = fields.get(':status');
    if (httpStatus === undefined) return;
    const foreign = statusOfHttp(Number(httpStatus), fields.get('content-type'));
    if (foreign !== undefined) this.fail(this.#status ?? foreign);
  }

  #read(bytes: Uint8Array): void {
    const fault = this.#messages.push(bytes);
    if (fault !== undefined) this.fail(fault);
  }

  #end(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#ended = true;
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
  push(chunk: Uint8Array): GrpcStatus | undefined {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      this.#bytes = Buffer.concat(
        [this.#bytes.subarray(0, this.#length)],
        Math.max(length, 2 * this.#bytes.length),
      );
    }
    this.#bytes.set(chunk, this.#length);
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
