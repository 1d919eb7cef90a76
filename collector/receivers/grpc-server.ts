// A thin gRPC server over node:http2: connections, their windows and their pings, and the way from a path to its method.
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import type { Endpoint } from '../config/values.ts';
import { type CallHandlers, discard, GrpcCall } from './grpc-call.ts';
import { GrpcCode, grpcStatus } from './grpc-status.ts';
import { RequestMemory } from './request-memory.ts';

const KIB = 1024;

/**
 * What one call, and one connection, may have sent that nobody has read. With HTTP/2's 64 KiB a client waits for a round
 * trip after each (`bench -- stream`); the connection has more, so that one call does not hold up the others.
 */
const CALL_WINDOW_BYTES = 4096 * KIB;
const CONNECTION_WINDOW_BYTES = 2 * CALL_WINDOW_BYTES;

const options = {
  settings: {
    initialWindowSize: CALL_WINDOW_BYTES,
    maxConcurrentStreams: 256,
    maxHeaderListSize: 16 * KIB,
    enablePush: false,
  },
  /** MB of one connection. */
  maxSessionMemory: 96,
} as const;

const CONNECTIONS_MAX = 8192;
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

export type Method = (call: GrpcCall) => CallHandlers;

export class GrpcServer {
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #server: Http2Server;
  readonly #memory: RequestMemory;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Beneath the sessions, and beneath TLS. */
  readonly #sockets = new Set<Socket>();

  /** @param methods by their path, `/package.Service/Method` */
  constructor(
    methods: ReadonlyMap<string, Method>,
    tls: (SecureContextOptions & TlsOptions) | undefined,
    memory: RequestMemory = new RequestMemory(),
  ) {
    this.#methods = methods;
    this.#memory = memory;
    this.#server = tls === undefined ? createServer(options) : createSecureServer({ ...options, ...tls });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('session', session => this.#open(session));
    this.#server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#call(stream, headers),
    );
  }

  /** Resolves with the port. Rejects with the system's error. */
  async listen({ host, port }: Endpoint): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host, port }, resolve);
    await promise;
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no new connections and calls, lets those under way finish, and cuts off those that need longer than `withinMs`. */
  async close(withinMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const session of this.#sessions) session.close();
    // A session that is closing leaves it to the peer to end the connection, even when it is destroyed; a lost peer never does.
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, withinMs);
    await promise;
    clearTimeout(late);
  }

  #open(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const timer = setInterval(() => ping(session), KEEPALIVE_MS).unref();
    session.on('close', () => {
      clearInterval(timer);
      this.#sessions.delete(session);
    });
  }

  #call(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (headers['content-type']?.startsWith('application/grpc') !== true) {
      stream.on('error', () => undefined);
      stream.respond({ ':status': constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE }, { endStream: true });
      discard(stream);
      return;
    }
    const path = headers[':path'] ?? '';
    const encoding = headers['grpc-encoding'];
    const hold = this.#memory.hold(stream.session ?? stream);
    new GrpcCall(stream, hold, Array.isArray(encoding) ? encoding.at(-1) : encoding).start(
      this.#methods.get(path) ?? unknownMethod(path),
    );
  }
}

/**
 * A peer that says nothing in time is lost: that finds half-open connections. Whatever it says counts, as the answer waits behind
 * all that the peer has written before.
 */
function ping(session: ServerHttp2Session): void {
  if (session.destroyed) return;
  const { bytesRead } = session.socket;
  const late = setTimeout(() => {
    if (!session.destroyed && session.socket.bytesRead === bytesRead) session.destroy();
  }, KEEPALIVE_TIMEOUT_MS).unref();
  session.ping(error => {
    clearTimeout(late);
    if (error !== null) session.destroy();
  });
}

const nothing = (): void => undefined;
const ignoring: CallHandlers = { message: nothing, end: nothing, drain: nothing, closed: nothing };

/** For a call that ends as it begins. */
export function refuse(call: GrpcCall, code: number, message: string): CallHandlers {
  call.end({ code, message });
  return ignoring;
}

function unknownMethod(path: string): Method {
  return call => refuse(call, GrpcCode.unimplemented, `${path} is not served here`);
}

/** One request, one response; a rejection becomes the status. */
export function unaryMethod(answer: (request: Buffer) => Promise<Uint8Array>): Method {
  return call => {
    let request: Buffer | undefined;
    const end = (): void => {
      if (request === undefined) {
        call.end({ code: GrpcCode.internal, message: 'a unary call without a message' });
        return;
      }
      answer(request).then(
        response => {
          call.write(response);
          call.end({ code: GrpcCode.ok, message: '' });
        },
        error => call.end(grpcStatus(error)),
      );
    };
    const message = (bytes: Buffer): void => {
      if (request === undefined) {
        if (call.keep(bytes.length)) request = bytes;
      } else call.end({ code: GrpcCode.internal, message: 'a unary call with a second message' });
    };
    return { ...ignoring, message, end };
  };
}
