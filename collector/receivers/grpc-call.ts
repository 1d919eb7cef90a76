// One call that a client makes: its messages come in, the answers and the status go out.
import { constants, type ServerHttp2Stream } from 'node:http2';
import { acceptedEncodings, isEncoding, MessageReader, PREFIX_BYTES, unpacked } from './grpc-messages.ts';
import { GrpcCode, type GrpcStatus, grpcStatus, statusTrailers } from './grpc-status.ts';
import { ThrottledError, TooLargeError } from './refusal.ts';
import type { Hold } from './request-memory.ts';

const responseHeaders = {
  ':status': constants.HTTP_STATUS_OK,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': acceptedEncodings,
} as const;

const DISCARD_MS = 2000;

/** What a method does with a call. */
export interface CallHandlers {
  /** A message of so many bytes begins; the call ends with the status of what is thrown. */
  begins?(size: number): void;
  message(bytes: Buffer): void;
  /** The client has sent all. */
  end(): void;
  /** More may be written, after a {@link GrpcCall.write} that returned false. */
  drain(): void;
  /** The call is over, whoever ended it; called once, as the last. */
  closed(): void;
}

interface Arrived {
  readonly bytes: Buffer;
  readonly compressed: boolean;
}

/*
 *   HTTP/2 stream ──▶ MessageReader ──▶ #arrived ──▶ unpacked when compressed ──▶ message(), end()
 *
 * Invariant: messages are handed over one after another in the order in which they came. While the call is paused, or a
 * message is being unpacked, what has come waits in #arrived, which is one chunk's worth at most: the stream is not read.
 */
export class GrpcCall {
  readonly #stream: ServerHttp2Stream;
  readonly #encoding: string;
  readonly #hold: Hold;
  readonly #reader = new MessageReader((bytes, compressed) => this.#take(bytes, compressed), {
    begins: size => this.#handlers?.begins?.(size),
    grows: bytes => this.#hold.take(bytes),
    ends: bytes => this.#hold.give(bytes),
  });
  #handlers: CallHandlers | undefined;
  #arrived: Arrived[] = [];
  #paused = false;
  #unpacking = false;
  /** The client has sent all; and the handlers know. */
  #ended = false;
  #endTold = false;
  #status: GrpcStatus | undefined;
  #over = false;

  /**
   * @param hold what the call holds in memory: released when it is over
   * @param encoding what the client names in `grpc-encoding`
   */
  constructor(stream: ServerHttp2Stream, hold: Hold, encoding = 'identity') {
    this.#stream = stream;
    this.#hold = hold;
    this.#encoding = encoding;
    stream.on('error', () => undefined); // A reset; `close` follows.
    stream.on('close', () => this.#close());
  }

  start(method: (call: GrpcCall) => CallHandlers): void {
    if (!isEncoding(this.#encoding)) {
      const message = `grpc-encoding "${this.#encoding}" is not supported; send one of ${acceptedEncodings}`;
      this.end({ code: GrpcCode.unimplemented, message });
      return;
    }
    this.#handlers = method(this);
    if (this.#over) return;
    this.#stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#stream.on('drain', () => this.#handlers?.drain());
    this.#stream.on('end', () => {
      this.#ended = true;
      this.#handOver();
    });
  }

  /** Bytes that the method keeps until the call is over. Ends it, with false, when they are too many. */
  keep(bytes: number): boolean {
    try {
      this.#hold.take(bytes);
      return true;
    } catch (error) {
      this.end(grpcStatus(error));
      return false;
    }
  }

  /** No message is handed over from here, until {@link resume}. */
  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#handOver();
  }

  /** Sends a message; false when the client takes no more for now, and `drain` will follow. */
  write(message: Uint8Array): boolean {
    if (this.#over || this.#stream.closed) return true;
    if (!this.#stream.headersSent) this.#respond();
    const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
    framed[0] = 0;
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, PREFIX_BYTES);
    return this.#stream.write(framed);
  }

  /** Ends the call. */
  end(status: GrpcStatus): void {
    if (this.#over) return;
    this.#status = status;
    const stream = this.#stream;
    if (stream.headersSent) stream.end();
    else if (!stream.closed) {
      stream.respond({ ...responseHeaders, ...statusTrailers(status) }, { endStream: true });
    }
    if (!this.#ended) discard(stream);
    this.#close();
  }

  #respond(): void {
    const stream = this.#stream;
    stream.respond(responseHeaders, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(statusTrailers(this.#status!)));
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.end(grpcStatus(error));
    }
  }

  #take(bytes: Buffer, compressed: boolean): void {
    if (this.#over) return;
    if (!compressed && !this.#paused && !this.#unpacking && this.#arrived.length === 0) {
      this.#handlers!.message(bytes);
      return;
    }
    this.#hold.take(bytes.length);
    this.#arrived.push({ bytes, compressed });
    this.#handOver();
  }

  #handOver(): void {
    while (!this.#over && !this.#paused && !this.#unpacking) {
      const next = this.#arrived.shift();
      if (next === undefined) {
        if (this.#ended) this.#tellEnd();
        else this.#stream.resume();
        return;
      }
      if (next.compressed) void this.#unpack(next.bytes);
      else {
        this.#hold.give(next.bytes.length);
        this.#handlers!.message(next.bytes);
      }
    }
  }

  async #unpack(bytes: Buffer): Promise<void> {
    this.#unpacking = true;
    this.#stream.pause();
    try {
      const message = await unpacked(bytes, this.#encoding, this.#hold);
      this.#hold.give(bytes.length + message.length);
      if (!this.#over) this.#handlers!.message(message);
    } catch (error) {
      if (error instanceof TooLargeError || error instanceof ThrottledError) this.end(grpcStatus(error));
      else this.end({ code: GrpcCode.internal, message: 'the message does not decompress' });
    }
    this.#unpacking = false;
    this.#handOver();
  }

  #tellEnd(): void {
    if (this.#endTold) return;
    this.#endTold = true;
    if (this.#reader.isWithin) this.end({ code: GrpcCode.internal, message: 'the last message is cut off' });
    else this.#handlers!.end();
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#arrived = [];
    this.#hold.release();
    this.#handlers?.closed();
  }
}

/** What the client still sends is forgotten for a while, so that it gets to the answer; then it is told to stop. */
export function discard(stream: ServerHttp2Stream): void {
  stream.resume();
  const late = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), DISCARD_MS).unref();
  stream.once('close', () => clearTimeout(late));
}
