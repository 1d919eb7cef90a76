// An HTTP/2 connection against a peer made by hand, frame by frame: windows, limits, ends, and what no peer may do.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Http2Connection } from '../../../src/transport/http2/connection.ts';
import {
  ErrorCode,
  Flag,
  type Frame,
  FrameReader,
  FrameType,
  frameHead,
  Setting,
  settings,
  WINDOW_BYTES,
  words,
} from '../../../src/transport/http2/frame.ts';
import { encodeFields, type Fields } from '../../../src/transport/http2/hpack.ts';
import type { Http2Stream } from '../../../src/transport/http2/stream.ts';

const PREFACE_BYTES = 24;
const nothing = Buffer.alloc(0);

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
class Peer {
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

  send(type: number, flags: number, streamId: number, payload: Uint8Array = nothing): void {
    this.raw(Buffer.concat([frameHead(type, flags, streamId, payload.length), payload]));
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

describe('what an HTTP/2 connection sends', () => {
  it('keeps to the windows of the stream and of the connection, and goes on when they grow', async t => {
    const peer = await Peer.with(t, [[Setting.initialWindow, 10]]);
    const { stream } = peer.request();
    let done = 0;
    assert.equal(
      stream.write(Buffer.alloc(25), () => done++),
      false,
    );
    assert.deepEqual(await peer.body(1, 10), [10]);
    await peer.settled();
    assert.deepEqual(await peer.body(1, 10), [10]);
    peer.send(FrameType.windowUpdate, 0, 1, words(4));
    assert.deepEqual(await peer.body(1, 14), [10, 4]);
    assert.equal(done, 0);
    peer.send(FrameType.settings, 0, 0, settings([[Setting.initialWindow, 21]]));
    assert.deepEqual(await peer.body(1, 25), [10, 4, 11]);
    await peer.settled();
    assert.equal(done, 1);
  });

  it('waits for a window that settings have made negative', async t => {
    const peer = await Peer.with(t, [[Setting.initialWindow, 100]]);
    const { stream } = peer.request();
    stream.write(Buffer.alloc(100));
    await peer.body(1, 100);
    peer.send(FrameType.settings, 0, 0, settings([[Setting.initialWindow, 10]]));
    await peer.settled();
    stream.write(Buffer.alloc(5));
    peer.send(FrameType.windowUpdate, 0, 1, words(90));
    await peer.settled();
    assert.deepEqual(await peer.body(1, 100), [100]);
    peer.send(FrameType.windowUpdate, 0, 1, words(2));
    assert.deepEqual(await peer.body(1, 102), [100, 2]);
  });

  it('shares the connection’s window among its streams', async t => {
    const peer = await Peer.with(t, [[Setting.initialWindow, 2 ** 20]]);
    const [first, second] = [peer.request(), peer.request()];
    first.stream.write(Buffer.alloc(WINDOW_BYTES - 1));
    second.stream.write(Buffer.alloc(5));
    await peer.body(1, WINDOW_BYTES - 1);
    assert.deepEqual(await peer.body(3, 1), [1]);
    peer.send(FrameType.windowUpdate, 0, 0, words(100));
    assert.deepEqual(await peer.body(3, 5), [1, 4]);
    await peer.settled();
    assert.equal(second.drains, 1);
  });

  it('cuts a body into frames as large as every peer takes them', async t => {
    const peer = await Peer.with(t);
    const { stream } = peer.request();
    stream.write(Buffer.alloc(20_000));
    assert.deepEqual(await peer.body(1, 20_000), [16_384, 3616]);
  });

  it('opens as many streams as the peer takes at a time, in their order', async t => {
    const peer = await Peer.with(t, [[Setting.streamsMax, 1]]);
    const [first, second, third] = [peer.request(), peer.request(), peer.request()];
    second.stream.reset(ErrorCode.cancel);
    for (const { stream } of [first, third]) stream.finish();
    await peer.next(frame => frame.type === FrameType.headers && frame.streamId === 1);
    await peer.settled();
    assert.ok(peer.received.every(frame => frame.type !== FrameType.headers));
    peer.respond(1, Flag.endStream);
    assert.equal(await first.ended, undefined);
    await peer.next(frame => frame.type === FrameType.headers && frame.streamId === 3);
    peer.respond(3, Flag.endStream);
    assert.equal(await third.ended, undefined);
  });

  it('gives bytes that were never sent back, when the peer resets the stream and when the connection is lost', async t => {
    const peer = await Peer.with(t, [[Setting.initialWindow, 0]]);
    const [first, second] = [peer.request(), peer.request()];
    let done = 0;
    first.stream.write(Buffer.alloc(5), () => done++);
    second.stream.write(Buffer.alloc(5), () => done++);
    peer.send(FrameType.resetStream, 0, 1, words(ErrorCode.enhanceYourCalm));
    assert.equal(await first.ended, 'the call was reset (HTTP/2 code 11)');
    assert.equal(done, 1);
    peer.hangUp();
    assert.equal(await second.ended, 'the connection was closed');
    assert.equal(done, 2);
    assert.equal(
      first.stream.write(Buffer.alloc(5), () => done++),
      false,
    );
    assert.equal(done, 3);
  });

  it('grants the peer more as its bytes are taken, padding included', async t => {
    const peer = await Peer.with(t);
    peer.request();
    peer.respond(1);
    const padded = Buffer.concat([Buffer.of(99), Buffer.alloc(900), Buffer.alloc(99)]);
    for (let i = 0; i < 33; i++) peer.send(FrameType.data, Flag.padded, 1, padded);
    for (const id of [0, 1]) {
      const update = await peer.next(frame => frame.type === FrameType.windowUpdate && frame.streamId === id);
      assert.equal(update.payload.readUInt32BE(0), 33_000);
    }
  });
});

describe('what an HTTP/2 connection takes', () => {
  it('is the same however it is cut', async t => {
    const peer = await Peer.with(t);
    const heard = peer.request();
    const fields = encodeFields([
      [':status', '200'],
      ['x', 'y'],
    ]);
    const parts = [
      // A head that says there is more to come, with padding and a priority, then the rest.
      [
        FrameType.headers,
        Flag.padded | Flag.priority,
        Buffer.concat([Buffer.of(2), words(0), Buffer.of(7), fields.subarray(0, 3), Buffer.alloc(2)]),
      ],
      [FrameType.continuation, Flag.endHeaders, fields.subarray(3)],
      [FrameType.data, Flag.padded, Buffer.concat([Buffer.of(3), Buffer.from('one'), Buffer.alloc(3)])],
      [0xbe, 0, Buffer.from('of a type that nobody knows')],
      [FrameType.data, 0, nothing],
      [FrameType.data, 0, Buffer.from('two')],
      [FrameType.headers, Flag.endHeaders | Flag.endStream, encodeFields([['grpc-status', '0']])],
    ] as const;
    const all = Buffer.concat(
      parts.map(([type, flags, payload]) =>
        Buffer.concat([frameHead(type, flags, 1, payload.length), payload]),
      ),
    );
    for (const byte of all) {
      peer.raw(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    assert.equal(await heard.ended, undefined);
    assert.deepEqual(
      heard.fields.map(each => Object.fromEntries(each)),
      [{ ':status': '200', x: 'y' }, { 'grpc-status': '0' }],
    );
    assert.equal(heard.data.join(''), 'onetwo');
  });

  it('leaves information before the response out', async t => {
    const peer = await Peer.with(t);
    const heard = peer.request();
    peer.send(FrameType.headers, Flag.endHeaders, 1, encodeFields([[':status', '103']]));
    peer.respond(1, Flag.endStream);
    assert.equal(await heard.ended, undefined);
    assert.deepEqual(
      heard.fields.map(each => each.get(':status')),
      ['200'],
    );
  });

  it('may end before the request has: the peer is told that nothing is missing', async t => {
    const peer = await Peer.with(t);
    const heard = peer.request();
    peer.respond(1, Flag.endStream);
    assert.equal(await heard.ended, undefined);
    const reset = await peer.next(frame => frame.type === FrameType.resetStream);
    assert.equal(reset.payload.readUInt32BE(0), ErrorCode.none);
    assert.equal(heard.stream.write(Buffer.alloc(1)), false);
  });

  it('of a stream that this side has reset is left out, and counted', async t => {
    const peer = await Peer.with(t);
    const [first, second] = [peer.request(), peer.request()];
    first.stream.reset(ErrorCode.cancel);
    // The field goes into the table, and the other stream's block refers to it.
    peer.send(
      FrameType.headers,
      Flag.endHeaders,
      1,
      Buffer.concat([Buffer.of(0x88, 0x40, 1), Buffer.from('a'), Buffer.of(1), Buffer.from('b')]),
    );
    peer.send(FrameType.data, 0, 1, Buffer.from('late'));
    peer.send(FrameType.headers, Flag.endHeaders | Flag.endStream, 3, Buffer.of(0x88, 0xbe));
    assert.equal(await second.ended, undefined);
    assert.equal(second.fields[0]!.get('a'), 'b');
    assert.deepEqual([first.fields, first.data], [[], []]);
  });

  it('answers pings and settings', async t => {
    const peer = await Peer.with(t);
    peer.send(FrameType.ping, 0, 0, Buffer.from('12345678'));
    const pong = await peer.next(frame => frame.type === FrameType.ping);
    assert.deepEqual([pong.flags, pong.payload.toString()], [Flag.ack, '12345678']);
    let answered = false;
    peer.connection.ping(() => {
      answered = true;
    });
    const ping = await peer.next(frame => frame.type === FrameType.ping);
    peer.send(FrameType.ping, Flag.ack, 0, ping.payload);
    await peer.settled();
    assert.ok(answered);
  });

  it('lets requests end that a leaving peer has taken, ends the others, and closes', async t => {
    const peer = await Peer.with(t, [[Setting.streamsMax, 2]]);
    const [first, second, third] = [peer.request(), peer.request(), peer.request()];
    peer.send(FrameType.goAway, 0, 0, words(1, ErrorCode.none));
    for (const { ended } of [second, third]) assert.equal(await ended, 'the peer went away (HTTP/2 code 0)');
    assert.deepEqual(peer.events, ['connected', 'leaving 0']);
    peer.respond(1, Flag.endStream);
    assert.equal(await first.ended, undefined);
    await peer.next(frame => frame.type === FrameType.goAway);
    await peer.closed();
  });

  it('closes in order when asked to, behind the last request', async t => {
    const peer = await Peer.with(t);
    const heard = peer.request();
    heard.stream.finish();
    peer.connection.close();
    await peer.settled();
    assert.deepEqual(peer.events, ['connected']);
    peer.respond(1, Flag.endStream);
    await heard.ended;
    await peer.next(frame => frame.type === FrameType.goAway);
    assert.equal(await peer.closed(), 'the connection was closed');
  });
});

describe('an HTTP/2 peer', () => {
  const header =
    (flags: number): ((peer: Peer) => void) =>
    peer =>
      peer.send(FrameType.headers, flags, 1, Buffer.of(0x88));
  const faults: [what: string, code: number, reason: RegExp, act: (peer: Peer) => void][] = [
    [
      'that answers as HTTP/1',
      ErrorCode.frameSize,
      /a frame of \d+ bytes/,
      peer => peer.raw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
    ],
    [
      'that sends a frame too large',
      ErrorCode.frameSize,
      /a frame of 16385 bytes/,
      peer => peer.raw(frameHead(FrameType.data, 0, 1, 16_385)),
    ],
    [
      'that pushes',
      ErrorCode.protocol,
      /a push/,
      peer => peer.send(FrameType.pushPromise, Flag.endHeaders, 1, words(2)),
    ],
    [
      'that speaks of a stream that nobody opened',
      ErrorCode.protocol,
      /a frame of stream 5/,
      peer => peer.send(FrameType.data, 0, 5, Buffer.of(1)),
    ],
    [
      'that speaks of a stream of its own',
      ErrorCode.protocol,
      /a frame of stream 2/,
      peer => peer.send(FrameType.data, 0, 2, Buffer.of(1)),
    ],
    [
      'that sends data of no stream',
      ErrorCode.protocol,
      /a frame of stream 0/,
      peer => peer.send(FrameType.data, 0, 0, Buffer.of(1)),
    ],
    [
      'that pads beyond the frame',
      ErrorCode.protocol,
      /padding/,
      peer => peer.send(FrameType.data, Flag.padded, 1, Buffer.of(4, 1, 2, 3)),
    ],
    [
      'that begins something else within headers',
      ErrorCode.protocol,
      /cut off/,
      peer => {
        header(0)(peer);
        peer.send(FrameType.ping, 0, 0, Buffer.alloc(8));
      },
    ],
    [
      'that goes on with headers that nobody began',
      ErrorCode.protocol,
      /nobody began/,
      peer => peer.send(FrameType.continuation, Flag.endHeaders, 1),
    ],
    [
      'that goes on with another stream’s headers',
      ErrorCode.protocol,
      /nobody began/,
      peer => {
        header(0)(peer);
        peer.send(FrameType.continuation, Flag.endHeaders, 3);
      },
    ],
    [
      'whose headers have no end',
      ErrorCode.enhanceYourCalm,
      /without end/,
      peer => {
        header(0)(peer);
        for (let i = 0; i < 5; i++) peer.send(FrameType.continuation, 0, 1, Buffer.alloc(16_000, 0x88));
      },
    ],
    [
      'whose fields cannot be read',
      ErrorCode.compression,
      /no field 0/,
      peer => peer.send(FrameType.headers, Flag.endHeaders, 1, Buffer.of(0x80)),
    ],
    [
      'that grows a window by nothing',
      ErrorCode.protocol,
      /by nothing/,
      peer => peer.send(FrameType.windowUpdate, 0, 0, words(0)),
    ],
    [
      'that grows the connection’s window too far',
      ErrorCode.flowControl,
      /too large/,
      peer => peer.send(FrameType.windowUpdate, 0, 0, words(2 ** 31 - 1)),
    ],
    [
      'that grows a stream’s window too far',
      ErrorCode.flowControl,
      /too large/,
      peer => peer.send(FrameType.windowUpdate, 0, 1, words(2 ** 31 - 1)),
    ],
    [
      'that sets a window too large',
      ErrorCode.flowControl,
      /too large/,
      peer => peer.send(FrameType.settings, 0, 0, settings([[Setting.initialWindow, 2 ** 31]])),
    ],
    [
      'that sets frames too small',
      ErrorCode.protocol,
      /at most 16383 bytes/,
      peer => peer.send(FrameType.settings, 0, 0, settings([[Setting.frameBytesMax, 16_383]])),
    ],
    [
      'whose settings are cut off',
      ErrorCode.frameSize,
      /wrong length/,
      peer => peer.send(FrameType.settings, 0, 0, Buffer.alloc(5)),
    ],
    [
      'whose ping is too short',
      ErrorCode.frameSize,
      /type 6 with 7 bytes/,
      peer => peer.send(FrameType.ping, 0, 0, Buffer.alloc(7)),
    ],
    [
      'whose reset is too long',
      ErrorCode.frameSize,
      /type 3 with 5 bytes/,
      peer => peer.send(FrameType.resetStream, 0, 1, Buffer.alloc(5)),
    ],
    [
      'whose goodbye is too short',
      ErrorCode.frameSize,
      /goodbye/,
      peer => peer.send(FrameType.goAway, 0, 0, Buffer.alloc(7)),
    ],
  ];
  for (const [what, code, reason, act] of faults) {
    it(`${what} is told the code, and every request ends with the reason`, async t => {
      const peer = await Peer.with(t);
      const heard = peer.request();
      await peer.next(frame => frame.type === FrameType.headers);
      act(peer);
      assert.match((await heard.ended)!, reason);
      assert.match(await peer.closed(), /^not HTTP\/2: /);
      const goAway = await peer.next(frame => frame.type === FrameType.goAway);
      assert.equal(goAway.payload.readUInt32BE(4), code);
    });
  }

  it('that asks and asks and does not read is cut off', async t => {
    const peer = await Peer.with(t);
    const heard = peer.request();
    heard.stream.write(Buffer.alloc(WINDOW_BYTES));
    peer.pause();
    const ping = Buffer.concat([frameHead(FrameType.ping, 0, 0, 8), Buffer.alloc(8)]);
    const flood = Buffer.concat(new Array(200_000).fill(ping));
    peer.raw(flood);
    assert.match((await heard.ended)!, /too many questions/);
  });

  it('that speaks before its settings is none', async t => {
    const server = createServer(socket =>
      socket.on('error', () => undefined).end(frameHead(FrameType.data, 0, 1, 0)),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { promise, resolve } = Promise.withResolvers<string>();
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    new Http2Connection(url, {}, { connected() {}, leaving() {}, closed: resolve });
    const alive = setInterval(() => {}, 1000);
    assert.equal(await promise, 'not HTTP/2: no settings at the beginning');
    clearInterval(alive);
  });
});
