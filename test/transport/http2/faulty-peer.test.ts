// What no HTTP/2 peer may do: it is told the code, the requests end with the reason, and nothing is without bounds.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { Http2Connection } from '../../../src/transport/http2/connection.ts';
import {
  ErrorCode,
  Flag,
  FrameType,
  frameHead,
  Setting,
  settings,
  WINDOW_BYTES,
  words,
} from '../../../src/transport/http2/frame.ts';
import { frame } from './frames.ts';
import { Peer } from './peer.ts';

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
    const ping = frame(FrameType.ping, 0, 0, Buffer.alloc(8));
    const flood = Buffer.concat(new Array(200_000).fill(ping));
    peer.raw(flood);
    assert.match((await heard.ended)!, /too many questions/);
  });

  it('that speaks before its settings is none', async t => {
    const server = createServer(socket =>
      socket.on('error', () => undefined).end(frame(FrameType.data, 0, 1)),
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
