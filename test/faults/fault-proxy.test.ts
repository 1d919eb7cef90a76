// The fault proxy does to real connections what its names say, and nothing else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Passage } from './network/fault-link.ts';
import { FaultProxy } from './network/fault-proxy.ts';

/** Resolves with this many bytes, and how many reads brought them. */
async function read(socket: Socket, bytes: number): Promise<{ text: string; reads: number }> {
  let text = '';
  let reads = 0;
  while (text.length < bytes) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString();
    reads++;
  }
  return { text, reads };
}

/** The code of the error that the socket ends with; undefined for an end in order. */
function ending(socket: Socket): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  socket.once('close', () => resolve(undefined));
  return promise;
}

describe('the fault proxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  /** The server's side of connections that nobody has taken yet. */
  let arrived: Socket[] = [];
  const open: Socket[] = [];

  before(async () => {
    server = createServer({ allowHalfOpen: true }, socket => {
      arrived.push(socket.on('error', () => undefined).resume());
      open.push(socket);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    proxy = await FaultProxy.before(`127.0.0.1:${(server.address() as AddressInfo).port}`, 1);
  });
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    arrived = [];
    await proxy.heal();
  });
  after(() => {
    proxy.close();
    server.close();
  });

  const dial = (): Socket => {
    const socket = connect({ port: Number(proxy.endpoint.split(':')[1]), host: '127.0.0.1' });
    open.push(socket);
    return socket;
  };
  const arrival = async (): Promise<Socket> => {
    if (arrived.length === 0) await once(server, 'connection');
    return arrived.shift()!;
  };
  /** Both ends of a connection over which a byte has passed each way. */
  const pair = async (): Promise<{ client: Socket; peer: Socket }> => {
    const client = dial();
    await once(client, 'connect');
    const peer = await arrival();
    client.write('?');
    await read(peer, 1);
    peer.write('!');
    await read(client, 1);
    return { client, peer };
  };
  /** Resolves when the proxy has read all that was sent before: a connection that is made later is through. */
  const arrivedAtProxy = async (): Promise<void> => {
    const probe = dial();
    await once(probe, 'connect');
    await arrival();
  };
  const timed = async (passage: Passage, bytes: number): Promise<{ reads: number; ms: number }> => {
    const { client, peer } = await pair();
    proxy.passage = passage;
    const started = performance.now();
    client.write('x'.repeat(bytes));
    const { text, reads } = await read(peer, bytes);
    assert.equal(text, 'x'.repeat(bytes));
    return { reads, ms: performance.now() - started };
  };

  it('hands everything on, both ways, and the end of each', async () => {
    const { client, peer } = await pair();
    const sent = 'all of it '.repeat(100_000);
    client.end(sent);
    assert.equal((await read(peer, sent.length)).text, sent);
    await once(peer, 'end');
    peer.end(sent);
    assert.equal((await read(client, sent.length)).text, sent);
    await once(client, 'end');
  });

  it('holds bytes back for the latency, and in their order', async () => {
    const { client, peer } = await pair();
    proxy.passage = { latencyMs: 300, jitterMs: 50 };
    const started = performance.now();
    for (let part = 0; part < 20; part++) {
      client.write(`${part % 10}`);
      await new Promise(setImmediate);
    }
    assert.equal((await read(peer, 20)).text, '01234567890123456789');
    const ms = performance.now() - started;
    assert.ok(ms >= 299, `${ms} ms`);
  });

  it('slices writes', async () => {
    assert.ok((await timed({ sliceBytes: 3 }, 3000)).reads > 1);
  });

  it('limits the rate, down to one byte in a second', async () => {
    const slow = await timed({ bytesPerSecond: 1 }, 2);
    assert.ok(slow.ms >= 999, `${slow.ms} ms for two bytes`);
    const { ms } = await timed({ bytesPerSecond: 10_000 }, 5000);
    assert.ok(ms >= 450, `${ms} ms for half of a second`);
  });

  it('resets both sides', async () => {
    const { client, peer } = await pair();
    const endings = [ending(client), ending(peer)];
    for (const link of proxy.links) link.reset();
    assert.deepEqual(await Promise.all(endings), ['ECONNRESET', 'ECONNRESET']);
    assert.equal(proxy.links.size, 0);
  });

  it('hangs up on the client, whose last words arrive later', async () => {
    const { client, peer } = await pair();
    proxy.passage = { latencyMs: 100 };
    await new Promise(done => client.write('farewell', done));
    await arrivedAtProxy();
    const gone = ending(client);
    for (const link of proxy.links) link.hangUp();
    assert.equal(await gone, undefined);
    assert.equal((await read(peer, 8)).text, 'farewell');
    await once(peer, 'end');
  });

  it('swallows what comes, and keeps both sides open', async () => {
    const { client, peer } = await pair();
    for (const link of proxy.links) link.blackHole();
    peer.on('data', () => assert.fail('a byte got through'));
    const large = Buffer.alloc(8 * 1024 * 1024);
    await new Promise(done => client.write(large, done));
    peer.resetAndDestroy();
    const other = await pair();
    assert.equal(client.readyState, 'open');
    assert.equal(proxy.abandoned, 0);
    other.client.destroy();
    client.destroy();
    while (proxy.abandoned === 0) await new Promise(setImmediate);
  });

  it('forgets the server without telling the client, whose buffers fill', async () => {
    const { client, peer } = await pair();
    const gone = once(peer, 'end');
    for (const link of proxy.links) link.halfOpen('server');
    await gone;
    assert.equal(client.write(Buffer.alloc(32 * 1024 * 1024)), false);
    await pair();
    assert.equal(client.readyState, 'open');
    assert.ok(client.writableLength > 0);
  });

  it('forgets the client without telling the server', async () => {
    const { client, peer } = await pair();
    const gone = ending(client);
    for (const link of proxy.links) link.halfOpen('client');
    await gone;
    await pair();
    assert.equal(peer.readyState, 'open');
    assert.equal(peer.readableEnded, false);
  });

  it('does to new connections what it is told to', async () => {
    proxy.admission = 'reset';
    assert.equal(await ending(dial()), 'ECONNRESET');
    proxy.admission = 'black hole';
    const client = dial();
    await once(client, 'connect');
    (await arrival()).on('data', () => assert.fail('a byte got through'));
    await new Promise(done => client.write('swallowed', done));
    proxy.admission = 'forward';
    const other = await pair();
    assert.equal(client.readyState, 'open');
    assert.equal(other.client.readyState, 'open');
  });

  it('refuses connections and keeps those that there are, until it accepts again at the same place', async () => {
    const { client, peer } = await pair();
    const { endpoint } = proxy;
    proxy.refuse();
    assert.equal(await ending(dial()), 'ECONNREFUSED');
    client.write('still here');
    assert.equal((await read(peer, 10)).text, 'still here');
    await proxy.accept();
    assert.equal(proxy.endpoint, endpoint);
    await pair();
  });

  it('resets the client when nothing is behind it', async () => {
    const { target } = proxy;
    const nobody = createServer();
    await once(nobody.listen(0, '127.0.0.1'), 'listening');
    proxy.target = `127.0.0.1:${(nobody.address() as AddressInfo).port}`;
    nobody.close();
    assert.equal(await ending(dial()), 'ECONNRESET');
    proxy.target = target;
  });
});
