// An HTTP/2 peer made by hand: what it sends and receives are frames.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Http2Connection } from '../../../src/transport/http2/connection.ts';
import { Flag, type Frame, FrameReader, FrameType, settings } from '../../../src/transport/http2/frame.ts';
import { encodeFields, type Fields } from '../../../src/transport/http2/hpack.ts';
import type { Http2Stream } from '../../../src/transport/http2/stream.ts';
import { frame } from './frames.ts';

const PREFACE_BYTES = 24;

/** What arrived of a request's response. */
interface Heard {
  readonly stream: Http2Stream;
  readonly fields: Fields[];
  readonly data: string[];
  drains: number;
  /** Resolves with the fault, or undefined. */
  readonly ended: Promise<string | undefined>;
}

/** The other end of one connection. */
export class Peer {
  readonly connection: Http2Connection;
  readonly events: string[] = [];
  readonly received: Frame[] = [];
  readonly #socket: Socket;
  #wake: (() => void) | undefined;

  static async with(t: TestContext, first: readonly (readonly [number, number])[] = []): Promise<Peer> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const events: string[] = [];
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const connection = new Http2Connection(
      url,
      {},
      {
        connected: () => events.push('connected'),
        leaving: code => events.push(`leaving ${code}`),
        closed: reason => events.push(`closed: ${reason}`),
      },
    );
    const [socket] = (await once(server, 'connection')) as [Socket];
    const alive = setInterval(() => {}, 1000);
    t.after(() => {
      clearInterval(alive);
      connection.destroy('the test is over');
      socket.destroy();
      server.close();
    });
    const peer = new Peer(connection, socket, events);
    peer.send(FrameType.settings, 0, 0, settings(first));
    await peer.next(frame => frame.type === FrameType.settings && (frame.flags & Flag.ack) !== 0);
    return peer;
  }

  constructor(connection: Http2Connection, socket: Socket, events: string[]) {
    this.connection = connection;
    this.events = events;
    this.#socket = socket;
    const reader = new FrameReader(frame => {
      this.received.push({ ...frame, payload: Buffer.from(frame.payload) });
    });
    let preface = PREFACE_BYTES;
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk.subarray(preface));
      preface = Math.max(0, preface - chunk.length);
      this.#wake?.();
    });
    socket.on('close', () => this.#wake?.());
    socket.on('error', () => undefined);
  }

  send(type: number, flags: number, streamId: number, payload?: Uint8Array): void {
    this.raw(frame(type, flags, streamId, payload));
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  respond(streamId: number, flags = 0): void {
    this.send(FrameType.headers, Flag.endHeaders | flags, streamId, encodeFields([[':status', '200']]));
  }

  pause(): void {
    this.#socket.pause();
  }

  hangUp(): void {
    this.#socket.end();
  }

  /** The first frame that is such a one, which is taken out. */
  async next(is: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const at = this.received.findIndex(is);
      if (at >= 0) return this.received.splice(at, 1)[0]!;
      await this.#turn();
    }
  }

  /** Until the body of a stream has so many bytes; gives the lengths of its frames. */
  async body(streamId: number, bytes: number): Promise<number[]> {
    const lengths = (): number[] =>
      this.received
        .filter(frame => frame.type === FrameType.data && frame.streamId === streamId)
        .map(frame => frame.payload.length);
    while (lengths().reduce((sum, length) => sum + length, 0) < bytes) await this.#turn();
    return lengths();
  }

  /** Until everything sent so far has been taken. */
  async settled(): Promise<void> {
    this.send(FrameType.ping, 0, 0, Buffer.alloc(8, 1));
    await this.next(frame => frame.type === FrameType.ping);
  }

  async closed(): Promise<string> {
    for (;;) {
      const last = this.events.at(-1);
      if (last?.startsWith('closed: ')) return last.slice('closed: '.length);
      await new Promise(setImmediate);
    }
  }

  request(): Heard {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const heard = { fields: [] as Fields[], data: [] as string[], drains: 0, ended: promise };
    const stream = this.connection.request(
      [
        [':method', 'POST'],
        [':path', '/p'],
      ],
      {
        fields: fields => heard.fields.push(fields),
        data: bytes => heard.data.push(Buffer.from(bytes).toString()),
        drain: () => heard.drains++,
        end: resolve,
      },
    );
    return Object.assign(heard, { stream });
  }

  async #turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
  }
}
