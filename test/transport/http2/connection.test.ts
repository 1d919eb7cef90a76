// An HTTP/2 connection against a peer made by hand, frame by frame: windows, limits, and how requests and connections end.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ErrorCode,
  Flag,
  FrameType,
  Setting,
  settings,
  WINDOW_BYTES,
  words,
} from '../../../src/transport/http2/frame.ts';
import { encodeFields } from '../../../src/transport/http2/hpack.ts';
import { frame } from './frames.ts';
import { Peer } from './peer.ts';

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
      [FrameType.data, 0, Buffer.alloc(0)],
      [FrameType.data, 0, Buffer.from('two')],
      [FrameType.headers, Flag.endHeaders | Flag.endStream, encodeFields([['grpc-status', '0']])],
    ] as const;
    const all = Buffer.concat(parts.map(([type, flags, payload]) => frame(type, flags, 1, payload)));
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
    const { heardAtMs } = peer.connection;
    peer.connection.ping();
    const ping = await peer.next(frame => frame.type === FrameType.ping);
    peer.send(FrameType.ping, Flag.ack, 0, ping.payload);
    await peer.settled();
    assert.ok(peer.connection.heardAtMs > heardAtMs);
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
