// The client's side of an HTTP/2 connection (RFC 9113), as far as gRPC needs it: no push, no priorities. node:http2 would take
// 8 MB more of each application's memory.
import type { Socket } from 'node:net';
import type { TlsOptions } from '../endpoint.ts';
import {
  ErrorCode,
  Flag,
  FRAME_BYTES_MAX,
  type Frame,
  FrameReader,
  FrameType,
  frameHead,
  Http2Fault,
  Setting,
  settings,
  unpadded,
  violation,
  WINDOW_BYTES,
  WINDOW_BYTES_MAX,
  widened,
  words,
} from './frame.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { encodeFields, FIELDS_BYTES_MAX, type Field } from './hpack.ts';
import { openSocket } from './socket.ts';
import { Http2Stream, type ResponseHandlers, type Shared } from './stream.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const PING_BYTES = 8;
/** Answers that a peer may have us owe it: one that asks on and does not read is cut off. */
const ANSWERS_MAX = 1000;
/** What the socket may have to write before streams wait. */
const WRITE_AHEAD_BYTES = 256 * 1024;

export interface ConnectionHandlers {
  /** The peer can be spoken to, with TLS if the URL says so. */
  connected(): void;
  /** The peer takes no new requests; with `ErrorCode.none` those under way may end. */
  leaving(code: number): void;
  /** Once, as the last; every request has ended before. */
  closed(reason: string): void;
}

/** Connects at once; requests may be made before it has. Nothing of it keeps the process alive until `close`. */
export class Http2Connection implements Shared {
  window: number = WINDOW_BYTES;
  frameBytesMax: number = FRAME_BYTES_MAX;
  /** When bytes came last, whatever they were, by `performance.now()`; until then, when it was made. */
  heardAtMs: number = performance.now();
  readonly #handlers: ConnectionHandlers;
  readonly #socket: Socket;
  readonly #origin: readonly Field[];
  readonly #reader = new FrameReader(frame => this.#receive(frame));
  readonly #headers = new HeaderBlocks();
  readonly #streams = new Map<number, Http2Stream>();
  /** Requests beyond what the peer takes at a time. */
  readonly #waiting: Http2Stream[] = [];
  #streamsMax = Number.POSITIVE_INFINITY;
  #streamWindow = WINDOW_BYTES;
  #nextId = 1;
  /** Bytes that came since the peer was last told that it may send more. */
  #taken = 0;
  #greeted = false;
  #answers = 0;
  #corked = false;
  #closing = false;
  #lost = false;

  /** @throws what node:tls does for options that it cannot use */
  constructor(url: URL, tls: TlsOptions, handlers: ConnectionHandlers) {
    this.#handlers = handlers;
    this.#origin = [
      [':scheme', url.protocol.slice(0, -1)],
      [':authority', url.host],
    ];
    const connected = (speaksHttp2: boolean): void => {
      if (speaksHttp2) handlers.connected();
      else this.destroy('the peer does not speak HTTP/2');
    };
    this.#socket = openSocket(url, tls, chunk => this.#read(chunk), connected);
    this.#socket.unref();
    this.#socket.on('drain', () => this.#resume());
    this.#socket.on('error', error => this.destroy(reasonOf(error)));
    this.#socket.on('close', () => this.destroy('the connection was closed'));
    this.#cork();
    this.#socket.write(PREFACE);
    const own = settings([
      [Setting.enablePush, 0],
      [Setting.headerListMax, FIELDS_BYTES_MAX],
    ]);
    this.send(FrameType.settings, 0, 0, own);
  }

  get isFull(): boolean {
    return this.#socket.writableLength >= WRITE_AHEAD_BYTES;
  }

  /** @param fields names in lower case, those of the URL left out */
  request(fields: readonly Field[], handlers: ResponseHandlers): Http2Stream {
    const stream = new Http2Stream(this, encodeFields([...this.#origin, ...fields]), handlers);
    this.#waiting.push(stream);
    this.#openNext();
    return stream;
  }

  /** Asks the peer to say something. */
  ping(): void {
    this.send(FrameType.ping, 0, 0, Buffer.alloc(PING_BYTES));
  }

  /** Lets requests under way end, and then closes; the process lives until then. */
  close(): void {
    this.#socket.ref();
    this.#leave();
  }

  /** Ends it now, and every request with the reason. */
  destroy(reason: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#socket.destroy();
    for (const stream of [...this.#streams.values(), ...this.#waiting]) stream.end(reason);
    this.#handlers.closed(reason);
  }

  send(type: number, flags: number, streamId: number, payload?: Uint8Array, done?: () => void): void {
    if (this.#lost) return done?.();
    this.#cork();
    const head = frameHead(type, flags, streamId, payload?.length ?? 0);
    if (payload === undefined) return void this.#socket.write(head, done);
    this.#socket.write(head);
    this.#socket.write(payload, done);
  }

  forget(stream: Http2Stream): void {
    const waits = this.#waiting.indexOf(stream);
    if (waits >= 0) this.#waiting.splice(waits, 1);
    else this.#streams.delete(stream.id);
    this.#openNext();
    if (this.#closing) this.#leave();
  }

  /** What is written in one turn of the event loop is one call of the system. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  #openNext(): void {
    while (!this.#lost && this.#waiting.length > 0 && this.#streams.size < this.#streamsMax) {
      const stream = this.#waiting.shift()!;
      const id = this.#nextId;
      this.#nextId += 2;
      this.#streams.set(id, stream);
      stream.open(id, this.#streamWindow);
    }
  }

  #resume(): void {
    for (const stream of [...this.#streams.values()]) stream.resume();
  }

  #leave(): void {
    this.#closing = true;
    if (this.#lost || this.#streams.size + this.#waiting.length > 0) return;
    this.send(FrameType.goAway, 0, 0, words(0, ErrorCode.none));
    this.#socket.destroySoon();
  }

  #read(chunk: Buffer): void {
    this.heardAtMs = performance.now();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof Http2Fault)) throw error;
      if (this.#lost) return;
      this.send(FrameType.goAway, 0, 0, words(0, error.code));
      this.#socket.uncork();
      this.destroy(`not HTTP/2: ${error.message}`);
    }
  }

  #receive(frame: Frame): void {
    const { type } = frame;
    if (this.#lost) return;
    if (!this.#greeted && type !== FrameType.settings) throw violation('no settings at the beginning');
    if (this.#headers.isWithin && type !== FrameType.continuation)
      throw violation('headers that are cut off');
    if (type === FrameType.data) this.#receiveData(frame);
    else if (type === FrameType.headers || type === FrameType.continuation) this.#receiveHeaders(frame);
    else if (type === FrameType.resetStream) this.#receiveReset(frame);
    else if (type === FrameType.settings) this.#receiveSettings(frame);
    else if (type === FrameType.ping) this.#receivePing(frame);
    else if (type === FrameType.goAway) this.#receiveGoAway(frame);
    else if (type === FrameType.windowUpdate) this.#receiveWindowUpdate(frame);
    else if (type === FrameType.pushPromise) throw violation('a push, which was forbidden');
  }

  /** Undefined for a stream that has ended; its frames may still be under way. */
  #streamOf({ streamId }: Frame): Http2Stream | undefined {
    if (streamId % 2 === 0 || streamId >= this.#nextId) throw violation(`a frame of stream ${streamId}`);
    return this.#streams.get(streamId);
  }

  #receiveData(frame: Frame): void {
    const { length } = frame.payload;
    this.#streamOf(frame)?.receiveData(unpadded(frame), length, (frame.flags & Flag.endStream) !== 0);
    this.#taken += length;
    if (this.#taken < WINDOW_BYTES / 2) return;
    this.send(FrameType.windowUpdate, 0, 0, words(this.#taken));
    this.#taken = 0;
  }

  /** Fields are decoded for streams that have ended, too: those of others refer to them. */
  #receiveHeaders(frame: Frame): void {
    const isFirst = frame.type === FrameType.headers;
    const headers = isFirst ? this.#headers.begin(frame) : this.#headers.goOn(frame);
    if (headers !== undefined) this.#streamOf(frame)?.receiveFields(headers.fields, headers.isLast);
  }

  #receiveReset(frame: Frame): void {
    const code = only(frame, 4).readUInt32BE(0);
    this.#streamOf(frame)?.end(`the call was reset (HTTP/2 code ${code})`);
  }

  #receiveSettings({ flags, payload }: Frame): void {
    this.#greeted = true;
    if ((flags & Flag.ack) !== 0) return;
    if (payload.length % 6 !== 0) throw new Http2Fault(ErrorCode.frameSize, 'settings of a wrong length');
    for (let at = 0; at < payload.length; at += 6) {
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.#answer(FrameType.settings, Buffer.alloc(0));
    this.#openNext();
  }

  #set(setting: number, value: number): void {
    if (setting === Setting.streamsMax) this.#streamsMax = value;
    if (setting === Setting.frameBytesMax) {
      if (value < FRAME_BYTES_MAX) throw violation(`frames of at most ${value} bytes`);
      this.frameBytesMax = value;
    }
    if (setting !== Setting.initialWindow) return;
    const change = widened(0, value) - this.#streamWindow;
    this.#streamWindow = value;
    for (const stream of [...this.#streams.values()]) stream.widen(change);
  }

  #receivePing(frame: Frame): void {
    const payload = only(frame, PING_BYTES);
    if ((frame.flags & Flag.ack) === 0) this.#answer(FrameType.ping, Buffer.from(payload));
  }

  /** @throws Http2Fault when the peer asks and asks, and does not read */
  #answer(type: number, payload: Buffer): void {
    if (++this.#answers > ANSWERS_MAX) throw new Http2Fault(ErrorCode.enhanceYourCalm, 'too many questions');
    this.send(type, Flag.ack, 0, payload, () => this.#answers--);
  }

  #receiveGoAway({ payload }: Frame): void {
    if (payload.length < 8) throw new Http2Fault(ErrorCode.frameSize, 'a goodbye that is too short');
    const lastId = payload.readUInt32BE(0) & 0x7fff_ffff;
    const code = payload.readUInt32BE(4);
    this.#handlers.leaving(code);
    const untouched = [...this.#streams.values()].filter(({ id }) => id > lastId);
    for (const stream of [...untouched, ...this.#waiting])
      stream.end(`the peer went away (HTTP/2 code ${code})`);
    this.#leave();
  }

  #receiveWindowUpdate(frame: Frame): void {
    const bytes = only(frame, 4).readUInt32BE(0) & WINDOW_BYTES_MAX;
    if (bytes === 0) throw violation('a window that grows by nothing');
    if (frame.streamId !== 0) return this.#streamOf(frame)?.widen(bytes);
    this.window = widened(this.window, bytes);
    this.#resume();
  }
}

/** The payload of a frame that has just so many bytes. @throws Http2Fault when it has not */
function only({ type, payload }: Frame, bytes: number): Buffer {
  if (payload.length !== bytes)
    throw new Http2Fault(ErrorCode.frameSize, `a frame of type ${type} with ${payload.length} bytes`);
  return payload;
}

/** An error's message, with its code where that is not in there. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return message && code && !message.includes(code) ? `${message} (${code})` : (message ?? String(error));
}
