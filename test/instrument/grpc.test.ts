// Real clients and servers of @grpc/grpc-js over real connections: spans, contexts, metrics, of every kind of call.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { ServerOptions } from '@grpc/grpc-js';
import { trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentGrpc } from '../../src/instrument/grpc.ts';
import { instrumentHttp2Client, instrumentHttp2Server } from '../../src/instrument/http2.ts';
import { type SeenSpan, Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentGrpc();
instrumentHttp2Server();
instrumentHttp2Client();
type Grpc = typeof import('@grpc/grpc-js');
const grpc = createRequire(import.meta.url)('@grpc/grpc-js') as Grpc;
const { status } = grpc;

const CLIENT = 3;
const SERVER = 2;

const serialize = (text: string): Buffer => Buffer.from(text);
const deserialize = (bytes: Buffer): string => {
  if (String(bytes) === 'unreadable') throw new Error('unreadable');
  return String(bytes);
};
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/shop.Orders/${name}`,
  requestStream,
  responseStream,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
});
const service = {
  unary: method('Unary', false, false),
  clientStream: method('ClientStream', true, false),
  serverStream: method('ServerStream', false, true),
  bidi: method('Bidi', true, true),
};

const activeSpanId = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId;
/** What the handlers saw as active. */
let inHandler: (string | undefined)[] = [];
let onCall: (() => void) | undefined;

const server = new grpc.Server();
server.addService(service, {
  unary(call: { request: string }, callback: (error: object | null, value?: string) => void) {
    inHandler.push(activeSpanId());
    onCall?.();
    if (call.request === 'missing') callback({ code: status.NOT_FOUND, details: 'no such order' });
    else if (call.request === 'broken') callback({ code: status.INTERNAL, details: 'broken' });
    else if (call.request === 'throws') throw new Error('thrown');
    else if (call.request !== 'hangs') callback(null, 'done');
  },
  clientStream(call: AsyncIterable<string>, callback: (error: null, value: string) => void) {
    void (async () => {
      let all = '';
      for await (const part of call) all += part;
      inHandler.push(activeSpanId());
      callback(null, all);
    })();
  },
  serverStream(call: {
    write(text: string): void;
    end(): void;
    request: string;
    emit(...event: unknown[]): void;
  }) {
    inHandler.push(activeSpanId());
    call.write('one');
    if (call.request === 'fails') call.emit('error', { code: status.UNAVAILABLE, details: 'gone' });
    else call.end();
  },
  bidi(call: {
    on(event: string, listener: (text: string) => void): void;
    write(text: string): void;
    end(): void;
  }) {
    call.on('data', text => {
      inHandler.push(activeSpanId());
      call.write(text);
    });
    call.on('end', () => call.end());
  },
});

let client: InstanceType<ReturnType<Grpc['makeGenericClientConstructor']>>;
let port: number;

before(async () => {
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const Client = grpc.makeGenericClientConstructor(service, 'Orders');
  client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});
after(() => {
  client.close();
  server.forceShutdown();
});
beforeEach(() => {
  telemetry.clear();
  inHandler = [];
  onCall = undefined;
});

interface Answer {
  readonly code: number;
  readonly value: string | undefined;
  readonly span: string | undefined;
}

function unary(request: string, options: object = {}): { call: { cancel(): void }; answer: Promise<Answer> } {
  let call!: { cancel(): void };
  const answer = new Promise<Answer>(resolve => {
    call = client.unary!(
      request,
      new grpc.Metadata(),
      options,
      (error: { code: number } | null, value: string) =>
        resolve({ code: error?.code ?? 0, value, span: activeSpanId() }),
    );
  });
  return { call, answer };
}

/** The spans of one call. */
async function bothSides(): Promise<{ client: SeenSpan; server: SeenSpan }> {
  const spans = await telemetry.until(2);
  return {
    client: spans.find(({ kind }) => kind === CLIENT)!,
    server: spans.find(({ kind }) => kind === SERVER)!,
  };
}

const outcome = ({ status: spanStatus, attributes }: SeenSpan): unknown[] => [
  attributes['rpc.status_code'],
  attributes['error.type'],
  spanStatus,
];

describe('the spans of a gRPC call', () => {
  it('have the attributes of the stable conventions, and the server continues the client', async () => {
    await unary('order').answer;
    const spans = await bothSides();
    assert.deepEqual([spans.client.name, spans.server.name], ['shop.Orders/Unary', 'shop.Orders/Unary']);
    assert.equal(spans.server.parentId, spans.client.spanId);
    assert.equal(spans.server.traceId, spans.client.traceId);
    const shared = {
      'rpc.system.name': 'grpc',
      'rpc.method': 'shop.Orders/Unary',
      'rpc.status_code': 'OK',
      'server.address': '127.0.0.1',
      'server.port': port,
      'network.peer.address': '127.0.0.1',
    };
    assert.deepEqual({ ...spans.client.attributes }, { ...shared, 'network.peer.port': port });
    const { 'network.peer.port': peerPort, ...served } = spans.server.attributes;
    assert.equal(typeof peerPort, 'number');
    assert.deepEqual(served, { ...shared, 'client.address': '127.0.0.1' });
  });

  const streams: Record<string, () => Promise<string[]>> = {
    ClientStream: () =>
      new Promise(resolve => {
        const call = client.clientStream!((_error: unknown, value: string) => resolve([value]));
        for (const part of ['a', 'b', 'c']) call.write(part);
        call.end();
      }),
    ServerStream: async () => {
      const received: string[] = [];
      for await (const part of client.serverStream!('all')) received.push(part as string);
      return received;
    },
    Bidi: async () => {
      const received: string[] = [];
      const call = client.bidi!();
      call.write('ping');
      call.end();
      for await (const part of call) received.push(part as string);
      return received;
    },
  };
  const expected: Record<string, string[]> = { ClientStream: ['abc'], ServerStream: ['one'], Bidi: ['ping'] };
  for (const [name, make] of Object.entries(streams)) {
    it(`are one on each side for a ${name}, active in its handler`, async () => {
      assert.deepEqual(await make(), expected[name]);
      const spans = await bothSides();
      assert.deepEqual(
        [spans.client.name, spans.server.name],
        [`shop.Orders/${name}`, `shop.Orders/${name}`],
      );
      assert.equal(spans.server.parentId, spans.client.spanId);
      assert.deepEqual(inHandler, [spans.server.spanId]);
      assert.deepEqual([outcome(spans.client), outcome(spans.server)], Array(2).fill(['OK', undefined, 0]));
    });
  }

  it('leave the context of the caller active in its callback', async () => {
    const caller = trace.getTracer('test').startSpan('caller');
    const answer = await ObservabilityContext.root.withSpan(caller).run(() => unary('order').answer);
    assert.equal(answer.span, caller.spanContext().spanId);
    const spans = await bothSides();
    assert.equal(spans.client.parentId, caller.spanContext().spanId);
    assert.deepEqual(inHandler, [spans.server.spanId]);
  });

  const failures: readonly [request: string, code: string, onServer: unknown[]][] = [
    ['missing', 'NOT_FOUND', ['NOT_FOUND', undefined, 0]],
    ['broken', 'INTERNAL', ['INTERNAL', 'INTERNAL', 2]],
    ['throws', 'UNKNOWN', ['UNKNOWN', 'UNKNOWN', 2]],
    ['unreadable', 'INTERNAL', ['INTERNAL', 'INTERNAL', 2]],
  ];
  for (const [request, code, onServer] of failures) {
    it(`tell of ${code} (${request}) for what it is to each side`, async () => {
      assert.equal((await unary(request).answer).code, status[code as keyof typeof status]);
      const spans = await bothSides();
      assert.deepEqual(outcome(spans.client), [code, code, 2]);
      assert.deepEqual(outcome(spans.server), onServer);
    });
  }

  it('tell of a stream that fails after a message', async () => {
    const call = client.serverStream!('fails');
    call.resume();
    await once(call, 'error');
    const spans = await bothSides();
    assert.deepEqual(outcome(spans.client), ['UNAVAILABLE', 'UNAVAILABLE', 2]);
    assert.deepEqual(outcome(spans.server), ['UNAVAILABLE', 'UNAVAILABLE', 2]);
    assert.equal(spans.client.span.statusMessage, 'gone');
  });

  it('tell of a call that its client has cancelled', async () => {
    const { call, answer } = unary('hangs');
    onCall = () => call.cancel();
    await answer;
    const spans = await bothSides();
    assert.deepEqual(outcome(spans.client), ['CANCELLED', 'CANCELLED', 2]);
    assert.deepEqual(outcome(spans.server), ['CANCELLED', undefined, 0]);
  });

  it('tell of a deadline that passed', async () => {
    const { answer } = unary('hangs', { deadline: Date.now() + 150 });
    assert.equal((await answer).code, status.DEADLINE_EXCEEDED);
    const spans = await bothSides();
    assert.deepEqual(outcome(spans.client), ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', 2]);
    // Whichever is first: the server's own clock, or the client that cancels by its own.
    assert.match(String(spans.server.attributes['rpc.status_code']), /^(DEADLINE_EXCEEDED|CANCELLED)$/);
  });

  it('tell of a server that cannot be reached', async () => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port: nobody } = gone.address() as AddressInfo;
    await new Promise(resolve => gone.close(resolve));
    const Client = grpc.makeGenericClientConstructor(service, 'Orders');
    const lost = new Client(`dns:localhost:${nobody}`, grpc.credentials.createInsecure());
    await new Promise(resolve => lost.unary!('order', resolve));
    lost.close();
    const [span] = await telemetry.until(1);
    assert.deepEqual(outcome(span!), ['UNAVAILABLE', 'UNAVAILABLE', 2]);
    assert.deepEqual(
      [span!.attributes['server.address'], span!.attributes['server.port']],
      ['localhost', nobody],
    );
  });
});

describe('the metadata of a gRPC call', () => {
  it('stays what its maker made it', async () => {
    const metadata = new grpc.Metadata();
    metadata.set('tenant', 'acme');
    await new Promise(resolve => client.unary!('order', metadata, resolve));
    await bothSides();
    assert.deepEqual(metadata.getMap(), { tenant: 'acme' });
  });
});

describe('a gRPC call under suppression', () => {
  it('leaves nothing on the client, and sends no context', async () => {
    await ObservabilityContext.active()
      .withSuppression(true)
      .run(() => unary('order').answer);
    const [span] = await telemetry.until(1);
    assert.deepEqual([span!.kind, span!.parentId], [SERVER, '']);
    assert.equal(telemetry.spans.length, 1);
  });
});

describe('the durations of gRPC calls', () => {
  it('count by method, status and server', async () => {
    const count = (name: string, code: string): number | undefined =>
      telemetry
        .points(name)
        .filter(({ attributes }) => attributes['rpc.method'] === 'shop.Orders/Unary')
        .find(({ attributes }) => attributes['rpc.status_code'] === code)?.point.count;
    const before = ['client', 'server'].map(side => count(`rpc.${side}.call.duration`, 'NOT_FOUND') ?? 0);
    await unary('missing').answer;
    await bothSides();
    const now = ['client', 'server'].map(side => count(`rpc.${side}.call.duration`, 'NOT_FOUND'));
    assert.deepEqual(
      now,
      before.map(each => each + 1),
    );
    const [point] = telemetry.points('rpc.client.call.duration');
    assert.equal(point!.attributes['server.port'], port);
    assert.equal(point!.attributes['rpc.system.name'], 'grpc');
  });
});

/** A server of its own, and a client; `ask` makes a call, `stop` resolves when all connections are closed. */
async function pair(options: ServerOptions = {}): Promise<{ ask(): Promise<string>; stop(): Promise<void> }> {
  const lone = new grpc.Server(options);
  lone.addService(service, {
    unary: (_call: unknown, callback: (error: null, value: string) => void) => callback(null, 'done'),
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  lone.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_error, bound) => resolve(bound));
  const Client = grpc.makeGenericClientConstructor(service, 'Orders');
  const asking = new Client(`127.0.0.1:${await promise}`, grpc.credentials.createInsecure());
  return {
    ask: () =>
      new Promise(answered => asking.unary!('order', (_error: unknown, value: string) => answered(value))),
    stop: () => {
      asking.close();
      return new Promise(stopped => lone.tryShutdown(() => stopped()));
    },
  };
}

describe('the HTTP/2 streams of gRPC calls', () => {
  it('have no spans and no durations of their own', async () => {
    const { ask, stop } = await pair();
    await ask();
    await stop();
    await bothSides();
    assert.equal(telemetry.spans.length, 2);
    assert.deepEqual(telemetry.points('http.server.request.duration'), []);
    assert.deepEqual(telemetry.points('http.client.request.duration'), []);
  });
});

describe('a gRPC server with an interceptor of its own', () => {
  it('is observed, and answers as ever where the instrumentation fails, which is told once', async context => {
    let calls: object | undefined;
    const { ask, stop } = await pair({
      interceptors: [
        (_method, call) => {
          calls = Object.getPrototypeOf(call) as object;
          return new grpc.ServerInterceptingCall(call);
        },
      ],
    });
    assert.equal(await ask(), 'done');
    await bothSides();
    const stderr = context.mock.method(process.stderr, 'write', () => true);
    Object.defineProperty(calls, 'getPeer', { value: undefined });
    assert.deepEqual([await ask(), await ask()], ['done', 'done']);
    assert.equal(stderr.mock.callCount(), 1);
    const [line] = stderr.mock.calls[0]!.arguments;
    assert.match(String(line), /^tricord: the instrumentation of gRPC servers failed/);
    await stop();
  });
});
