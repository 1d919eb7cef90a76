// The gRPC server against clients that are no good ones: framing, encodings, what unary means, and messages in order.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { createConnection } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { TlsOptions } from 'node:tls';
import { deflateSync, gzipSync } from 'node:zlib';
import * as grpc from '@grpc/grpc-js';
import fc from 'fast-check';
import { MessageReader } from '../../../collector/receivers/grpc-messages.ts';
import { GrpcServer, type Method, unaryMethod } from '../../../collector/receivers/grpc-server.ts';
import { GrpcCode } from '../../../collector/receivers/grpc-status.ts';
import { REQUEST_BYTES_MAX, TooLargeError } from '../../../collector/receivers/refusal.ts';
import { certificate } from '../../instrument/certificate.ts';
import { type Answer, answerOf, framed } from './raw-call.ts';

describe('messages', () => {
  it('are the same however their bytes are cut', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 20 });
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, cuts, (lengths, steps) => {
        const sent = lengths.map((length, i) => Buffer.alloc(length, i));
        const bytes = Buffer.concat(sent.map((message, i) => framed(message, i % 2)));
        const got: [Buffer, boolean][] = [];
        const reader = new MessageReader((message, compressed) => got.push([message, compressed]));
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + steps[i % steps.length]!;
          reader.push(bytes.subarray(at, end));
          at = end;
        }
        assert.ok(!reader.isWithin);
        assert.deepEqual(
          got,
          sent.map((message, i) => [message, i % 2 === 1]),
        );
      }),
    );
  });

  it('take memory as they come, not as they are announced', () => {
    let wholes = 0;
    const reader = new MessageReader(() => wholes++);
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 100 }, () => new MessageReader(() => wholes++));
    for (const each of [reader, ...readers]) {
      const start = framed(Buffer.alloc(1));
      start.writeUInt32BE(REQUEST_BYTES_MAX, 1);
      each.push(start);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < REQUEST_BYTES_MAX);
    for (let sent = 1; sent < REQUEST_BYTES_MAX; ) {
      const chunk = Buffer.alloc(Math.min(1_000_000, REQUEST_BYTES_MAX - sent));
      reader.push(chunk);
      sent += chunk.length;
    }
    assert.equal(wholes, 1);
  });

  it('are refused at the prefix of the first one that is too large', () => {
    const reader = new MessageReader(() => assert.fail('a message'));
    const prefix = framed(Buffer.alloc(0));
    prefix.writeUInt32BE(REQUEST_BYTES_MAX + 1, 1);
    assert.throws(() => reader.push(prefix), TooLargeError);
  });
});

/** Takes one message a turn, and answers the numbers that it got. */
const slow: Method = call => {
  const got: number[] = [];
  return {
    message: bytes => {
      got.push(bytes.readUInt32BE());
      call.pause();
      setImmediate(() => call.resume());
    },
    end: () => {
      call.write(Buffer.from(JSON.stringify(got)));
      call.end({ code: GrpcCode.ok, message: '' });
    },
    drain: () => undefined,
    closed: () => undefined,
  };
};

describe('the gRPC server', () => {
  const requests: Buffer[] = [];
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const echo = async (request: Buffer): Promise<Buffer> => {
    requests.push(request);
    return request;
  };
  const server = new GrpcServer(
    new Map<string, Method>([
      ['/test/Echo', unaryMethod(echo)],
      ['/test/Slow', slow],
      ['/test/Watch', call => ({ ...slow(call), message: () => opened.resolve(), closed: closed.resolve })],
    ]),
    undefined,
  );
  let client: ClientHttp2Session;
  before(async () => {
    client = connect(`http://127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`);
  });
  after(async () => {
    client.close();
    await server.close(1000);
  });
  const open = (path: string, headers: Record<string, string> = {}): ClientHttp2Stream =>
    client.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', ...headers });
  const send = (path: string, body: Buffer, headers: Record<string, string> = {}): Promise<Answer> => {
    const stream = open(path, headers);
    const answer = answerOf(stream);
    stream.end(body);
    return answer;
  };

  it('answers a message byte by byte as it does one in a piece', async () => {
    const stream = open('/test/Echo');
    const answer = answerOf(stream);
    for (const byte of framed(Buffer.from('hello'))) {
      stream.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    stream.end();
    const { code, bytes, headers } = await answer;
    assert.equal(code, GrpcCode.ok);
    assert.deepEqual(bytes, framed(Buffer.from('hello')));
    assert.equal(headers['grpc-accept-encoding'], 'identity,gzip,deflate');
  });

  it('unpacks gzip and deflate, each message or not', async () => {
    const text = Buffer.from('text '.repeat(1000));
    for (const [encoding, pack] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
    ] as const) {
      const headers = { 'grpc-encoding': encoding };
      assert.deepEqual((await send('/test/Echo', framed(pack(text), 1), headers)).bytes, framed(text));
      assert.deepEqual((await send('/test/Echo', framed(text), headers)).bytes, framed(text));
    }
  });

  const breaches = [
    ['no message', Buffer.alloc(0), {}, GrpcCode.internal, /without a message/],
    [
      'two messages',
      Buffer.concat([framed(Buffer.of(1)), framed(Buffer.of(2))]),
      {},
      GrpcCode.internal,
      /second/,
    ],
    ['a message that is cut off', framed(Buffer.of(1, 2)).subarray(0, 6), {}, GrpcCode.internal, /cut off/],
    ['a prefix that is cut off', framed(Buffer.of(1, 2)).subarray(0, 3), {}, GrpcCode.internal, /cut off/],
    [
      'a compressed message without an encoding',
      framed(gzipSync('x'), 1),
      {},
      GrpcCode.internal,
      /decompress/,
    ],
    [
      'gzip that is none',
      framed(Buffer.of(1, 2), 1),
      { 'grpc-encoding': 'gzip' },
      GrpcCode.internal,
      /decompress/,
    ],
    [
      'an unknown encoding',
      framed(Buffer.of(1)),
      { 'grpc-encoding': 'br' },
      GrpcCode.unimplemented,
      /"br".*gzip/,
    ],
  ] as const;
  for (const [what, body, headers, expected, message] of breaches) {
    it(`refuses a unary call with ${what}`, async () => {
      const before = requests.length;
      const answer = await send('/test/Echo', body, headers);
      assert.equal(answer.code, expected);
      assert.match(answer.message, message);
      assert.equal(requests.length, before);
    });
  }

  it('answers 415 to what is not gRPC', async () => {
    const { headers } = await send('/test/Echo', Buffer.alloc(0), { 'content-type': 'application/json' });
    assert.equal(headers[':status'], 415);
  });

  it('names the path that it does not serve, whatever the path', async () => {
    const answer = await send('/test/%C3%A4', framed(Buffer.alloc(0)));
    assert.deepEqual(
      [answer.code, answer.message],
      [GrpcCode.unimplemented, '/test/%C3%A4 is not served here'],
    );
  });

  it('hands messages over one by one in their order, packed or not, while it is paused again and again', async () => {
    const numbers = Array.from({ length: 2000 }, (_, i) => i);
    const messages = numbers.map(number => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(number);
      return number % 7 === 0 ? framed(gzipSync(bytes), 1) : framed(bytes);
    });
    const answer = await send('/test/Slow', Buffer.concat(messages), { 'grpc-encoding': 'gzip' });
    assert.deepEqual(JSON.parse(answer.bytes.subarray(5).toString()), numbers);
  });

  it('gets its answer to a client that goes on sending', async () => {
    const stream = open('/test/Unknown');
    stream.on('error', () => undefined);
    const answer = answerOf(stream);
    const more = (): unknown =>
      !stream.destroyed && stream.write(Buffer.alloc(100_000), () => setImmediate(more));
    more();
    assert.equal((await answer).code, GrpcCode.unimplemented);
    stream.close();
  });

  it('tells the method when a client is gone, and goes on', async () => {
    const stream = open('/test/Watch');
    stream.on('error', () => undefined);
    stream.write(framed(Buffer.of(1)));
    await opened.promise;
    stream.close(constants.NGHTTP2_CANCEL);
    await closed.promise;
    assert.equal((await send('/test/Echo', framed(Buffer.of(1)))).code, GrpcCode.ok);
  });
});

describe('a connection', () => {
  const started = async (t: TestContext, tls?: TlsOptions): Promise<number> => {
    const echo = unaryMethod(async request => request);
    const server = new GrpcServer(new Map([['/test/Echo', echo]]), tls);
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    t.after(() => server.close(0));
    return port;
  };

  it('speaks TLS, and asks for a certificate of the client where one is required', async t => {
    const { cert, key } = certificate;
    const port = await started(t, { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true });
    const [pem, secret] = [Buffer.from(cert), Buffer.from(key)];
    const asIs = (bytes: Buffer): Buffer => bytes;
    const codeFor = async (credentials: grpc.ChannelCredentials): Promise<number> => {
      const client = new grpc.Client(`localhost:${port}`, credentials);
      const { promise, resolve } = Promise.withResolvers<number>();
      const answered = (error: grpc.ServiceError | null): void => resolve(error?.code ?? grpc.status.OK);
      client.makeUnaryRequest('/test/Echo', asIs, asIs, Buffer.of(1), answered);
      const code = await promise;
      client.close();
      return code;
    };
    assert.equal(await codeFor(grpc.credentials.createSsl(pem, secret, pem)), grpc.status.OK);
    assert.equal(await codeFor(grpc.credentials.createSsl(pem)), grpc.status.UNAVAILABLE);
    assert.equal(await codeFor(grpc.credentials.createInsecure()), grpc.status.UNAVAILABLE);
  });

  it('that says nothing after a ping is closed, and not while it says something else', async t => {
    t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const port = await started(t);
    const socket = createConnection(port, '127.0.0.1');
    socket.on('error', () => undefined);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings]));
    await once(socket, 'data');
    const closed = once(socket, 'close');
    const ping = (flags: number): Buffer => Buffer.from([0, 0, 8, 6, flags, 0, 0, 0, 0]);
    const got = async (frame: Buffer): Promise<void> => {
      for (let bytes = Buffer.alloc(0); !bytes.includes(frame); )
        bytes = Buffer.concat([bytes, (await once(socket, 'data'))[0] as Buffer]);
    };
    t.mock.timers.tick(60_000);
    await got(ping(0));
    socket.write(Buffer.concat([ping(0), Buffer.alloc(8)]));
    await got(ping(1));
    t.mock.timers.tick(20_000);
    t.mock.timers.tick(40_000);
    await got(ping(0));
    t.mock.timers.tick(20_000);
    await closed;
  });

  it('whose peer is lost does not keep a server from stopping', async t => {
    const server = new GrpcServer(new Map(), undefined);
    const port = await server.listen({ host: '127.0.0.1', port: 0 });
    // Never ends its side, as one that is not there any more.
    const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
    t.after(() => socket.destroy());
    socket.on('error', () => undefined);
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings]));
    await once(socket, 'data');
    await server.close(50);
  });
});
