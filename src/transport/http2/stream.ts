// One request of an HTTP/2 connection (RFC 9113, section 5): what waits for a window to be sent, and what comes back.
import { ErrorCode, Flag, FrameType, WINDOW_BYTES, widened, words } from './frame.ts';
import type { Fields } from './hpack.ts';

/** The other side of a request. */
export interface ResponseHandlers {
  /** The response's head, and perhaps its trailers later. */
  fields(fields: Fields): void;
  /** The view is valid only within the call. */
  data(bytes: Uint8Array): void;
  /** More is taken after a `write` that returned false. */
  drain(): void;
  /** Once, as the last, but not after `reset`. `fault` says why it did not end in order. */
  end(fault: string | undefined): void;
}

/** What the streams of a connection share. */
export interface Shared {
  /** What may be sent on the connection; each stream takes from it. */
  window: number;
  readonly frameBytesMax: number;
  /** The socket has enough to write. */
  readonly isFull: boolean;
  /** @param done called when the payload is not read any more */
  send(type: number, flags: number, streamId: number, payload?: Uint8Array, done?: () => void): void;
  /** Nothing more comes of the stream. */
  forget(stream: Http2Stream): void;
}

interface Unsent {
  readonly bytes: Uint8Array;
  readonly done: (() => void) | undefined;
}

export class Http2Stream {
  readonly #shared: Shared;
  readonly #handlers: ResponseHandlers;
  /** The request's fields, encoded. */
  readonly #fields: Uint8Array;
  readonly #unsent: Unsent[] = [];
  /** Bytes of the first unsent that are sent. */
  #sent = 0;
  /** What may be sent on this stream. */
  #window = 0;
  /** Bytes that came since the peer was last told that it may send more. */
  #taken = 0;
  #id = 0;
  #state: 'open' | 'finishing' | 'finished' | 'over' = 'open';
  /** A `write` returned false. */
  #waits = false;

  constructor(shared: Shared, fields: Uint8Array, handlers: ResponseHandlers) {
    this.#shared = shared;
    this.#fields = fields;
    this.#handlers = handlers;
  }

  /** 0 until it is open. */
  get id(): number {
    return this.#id;
  }

  /** Begins the request, when the connection has room for one. */
  open(id: number, window: number): void {
    this.#id = id;
    this.#window = window;
    this.#shared.send(FrameType.headers, Flag.endHeaders, id, this.#fields);
    this.resume();
  }

  /**
   * Sends bytes of the request's body, one after the other; false when `drain` will follow.
   * @param done called when the bytes are not read any more, or never will be
   */
  write(bytes: Uint8Array, done?: () => void): boolean {
    if (this.#state !== 'open') {
      done?.();
      return false;
    }
    this.#unsent.push({ bytes, done });
    this.#pump();
    this.#waits = !this.#takesMore;
    return !this.#waits;
  }

  /** Nothing follows what has been written. */
  finish(): void {
    if (this.#state !== 'open') return;
    this.#state = 'finishing';
    this.#pump();
  }

  /** Ends the request from this side, with an `ErrorCode`. */
  reset(code: number): void {
    if (this.#state === 'over') return;
    if (this.#id !== 0) this.#shared.send(FrameType.resetStream, 0, this.#id, words(code));
    this.#close();
  }

  /** Ends it without a word to the peer. */
  end(fault: string | undefined): void {
    if (this.#state === 'over') return;
    this.#close();
    this.#handlers.end(fault);
  }

  /** Sends what waits, and asks for more: the socket or the connection's window has room. */
  resume(): void {
    this.#pump();
    if (!this.#waits || !this.#takesMore) return;
    this.#waits = false;
    this.#handlers.drain();
  }

  /** The peer takes so many more bytes; fewer, when it changes its mind. @throws Http2Fault when they are too many */
  widen(bytes: number): void {
    this.#window = widened(this.#window, bytes);
    this.resume();
  }

  receiveFields(fields: Fields, isLast: boolean): void {
    const isInformation = fields.get(':status')?.startsWith('1') === true;
    if (!isInformation) this.#handlers.fields(fields);
    if (isLast) this.#receivedAll();
  }

  /** @param flowBytes what the peer counts, padding included */
  receiveData(bytes: Uint8Array, flowBytes: number, isLast: boolean): void {
    if (bytes.length > 0) this.#handlers.data(bytes);
    if (isLast) return this.#receivedAll();
    this.#taken += flowBytes;
    if (this.#taken < WINDOW_BYTES / 2 || this.#state === 'over') return;
    this.#shared.send(FrameType.windowUpdate, 0, this.#id, words(this.#taken));
    this.#taken = 0;
  }

  /** The peer may end a request that this side has not; there it is told that nothing is missing. */
  #receivedAll(): void {
    if (this.#state === 'open' || this.#state === 'finishing') {
      this.#shared.send(FrameType.resetStream, 0, this.#id, words(ErrorCode.none));
    }
    this.end(undefined);
  }

  get #takesMore(): boolean {
    return this.#state === 'open' && this.#unsent.length === 0 && !this.#shared.isFull;
  }

  #pump(): void {
    if (this.#id === 0) return;
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const { bytes, done } = next;
      const left = bytes.length - this.#sent;
      const size = Math.min(left, this.#window, this.#shared.window, this.#shared.frameBytesMax);
      if (size <= 0) return;
      const part = bytes.subarray(this.#sent, this.#sent + size);
      this.#window -= size;
      this.#shared.window -= size;
      this.#sent += size;
      if (size < left) {
        this.#shared.send(FrameType.data, 0, this.#id, part);
        continue;
      }
      this.#sent = 0;
      this.#unsent.shift();
      this.#shared.send(FrameType.data, 0, this.#id, part, done);
    }
    if (this.#state !== 'finishing') return;
    this.#state = 'finished';
    this.#shared.send(FrameType.data, Flag.endStream, this.#id);
  }

  #close(): void {
    this.#state = 'over';
    for (const { done } of this.#unsent.splice(0)) done?.();
    this.#shared.forget(this);
  }
}
