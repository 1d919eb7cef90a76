// The stream: hello first, durable acknowledgements in order, credit within the queue's room, and a status for every breach.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { type Batch, OfferError, type Offered } from '../../../collector/component.ts';
import type { Intake } from '../../../collector/factory.ts';
import { Log } from '../../../collector/log.ts';
import { Admission } from '../../../collector/receivers/admission.ts';
import { GrpcListener } from '../../../collector/receivers/otlp-grpc.ts';
import { StreamService } from '../../../collector/receivers/stream.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import { traceRequest } from '../requests.ts';
import { startCollector, type TestCollector } from '../running-collector.ts';
import { Agent, batchMessage, newInstance } from './stream-agent.ts';

const request = traceRequest(['one']);

describe('the stream', () => {
  let collector: TestCollector;
  const agents: Agent[] = [];
  const connect = (): Agent => {
    const agent = new Agent(collector.endpoints['otlp.grpc']!);
    agents.push(agent);
    return agent;
  };
  before(async () => {
    collector = await startCollector();
  });
  after(async () => {
    for (const agent of agents) agent.close();
    await collector.stop();
  });

  it('grants credit after the hello, and acknowledges what is durable in order', async () => {
    const before = collector.capture.batches.length;
    const agent = connect();
    agent.hello(newInstance());
    await agent.until(() => agent.credit > 0);
    const granted = agent.credit;
    assert.equal(agent.messages[0]!.ackedSequence ?? 0, 0);
    for (let sequence = 1; sequence <= 20; sequence++) agent.send(batchMessage(sequence));
    await agent.until(() => agent.acked === 20);
    const acks = agent.messages.map(message => message.ackedSequence ?? 0);
    assert.deepEqual(
      acks,
      acks.toSorted((a, b) => a - b),
    );
    await agent.until(() => agent.credit === granted + 20 * batchMessage(1).length);
    const batches = (await collector.capture.count(before + 20)).slice(before);
    assert.deepEqual(
      batches.map(batch => batch.origin?.sequence),
      Array.from({ length: 20 }, (_, i) => BigInt(i + 1)),
    );
  });

  it('takes a resent batch once, and acknowledges it again', async () => {
    const instance = newInstance();
    const before = collector.capture.batches.length;
    const first = connect();
    first.hello(instance);
    await first.until(() => first.credit > 0);
    first.send(batchMessage(1));
    first.send(batchMessage(2));
    await first.until(() => first.acked === 2);
    first.close();
    const second = connect();
    second.hello(instance, 1);
    await second.until(() => second.credit > 0);
    assert.equal(second.messages[0]!.ackedSequence, 2);
    for (const sequence of [1, 2, 3]) second.send(batchMessage(sequence));
    await second.until(() => second.acked === 3);
    const batches = await collector.capture.count(before + 3);
    assert.deepEqual(
      batches.slice(before).map(batch => batch.origin?.sequence),
      [1n, 2n, 3n],
    );
  });

  it('rejects one bad batch with a reason, and goes on', async () => {
    const agent = connect();
    agent.hello(newInstance());
    await agent.until(() => agent.credit > 0);
    agent.send(batchMessage(1));
    agent.send(batchMessage(2, { payload: request.subarray(0, -2) }));
    agent.send(batchMessage(3, { encoding: 9 }));
    agent.send(batchMessage(4));
    await agent.until(() => agent.acked === 4);
    assert.deepEqual(agent.rejected.toSorted(), [2, 3]);
    const told = agent.messages.findIndex(message =>
      message.rejected?.some(({ sequence }) => sequence === 2),
    );
    const covered = agent.messages.findIndex(message => (message.ackedSequence ?? 0) >= 2);
    assert.ok(told <= covered);
  });

  it('lets a sequence be missing, which an agent has given up', async () => {
    const agent = connect();
    agent.hello(newInstance(), 5);
    await agent.until(() => agent.credit > 0);
    agent.send(batchMessage(5));
    agent.send(batchMessage(8));
    await agent.until(() => agent.acked === 8);
  });

  const breaches: readonly (readonly [string, (agent: Agent) => void, RegExp])[] = [
    ['a batch before the hello', agent => agent.send(batchMessage(1)), /before the hello/],
    [
      'a second hello',
      agent => {
        agent.hello(newInstance());
        agent.hello(newInstance());
      },
      /a second hello/,
    ],
    ['bytes that are no message', agent => agent.send(Buffer.from([0xff])), /./],
    [
      'a sequence that was there already',
      agent => {
        agent.hello(newInstance());
        agent.send(batchMessage(1));
        agent.send(batchMessage(1));
      },
      /sequence 1 where 2 or more was due/,
    ],
  ];
  for (const [what, act, told] of breaches) {
    it(`ends with INVALID_ARGUMENT after ${what}`, async () => {
      const agent = connect();
      act(agent);
      const error = await agent.ended;
      assert.equal(error?.code, status.INVALID_ARGUMENT);
      assert.match(error.details, told);
    });
  }

  it('allows the last byte of the credit, and ends at the first one beyond', async () => {
    const agent = connect();
    agent.hello(newInstance());
    await agent.until(() => agent.credit > 0);
    const spare = agent.credit - batchMessage(1, { payload: new Uint8Array(agent.credit - 64) }).length;
    const whole = batchMessage(1, { payload: padded(agent.credit - 64 + spare) });
    assert.equal(whole.length, agent.credit);
    agent.send(whole);
    await agent.until(() => agent.acked === 1);
    const left = agent.credit - whole.length;
    const beyond = batchMessage(2, { payload: padded(left) });
    assert.ok(beyond.length > left);
    agent.send(beyond);
    const error = await agent.ended;
    assert.equal(error?.code, status.INVALID_ARGUMENT);
    assert.match(error.details, /bytes sent on a credit of/);
  });

  it('is taken over by a second one of the same instance', async () => {
    const instance = newInstance();
    const [first, second] = [connect(), connect()];
    first.hello(instance);
    await first.until(() => first.credit > 0);
    second.hello(instance);
    assert.equal((await first.ended)?.code, status.ABORTED);
    second.send(batchMessage(1));
    await second.until(() => second.acked === 1);
  });

  it('ends with OK after the agent has ended and all is acknowledged', async () => {
    const agent = connect();
    agent.hello(newInstance());
    await agent.until(() => agent.credit > 0);
    for (let sequence = 1; sequence <= 5; sequence++) agent.send(batchMessage(sequence));
    agent.half();
    assert.equal(await agent.ended, undefined);
    assert.equal(agent.acked, 5);
  });

  it('shows itself in the metrics', async () => {
    const agent = connect();
    agent.hello(newInstance());
    await agent.until(() => agent.credit > 0);
    assert.ok((await collector.metric('tricord_stream_connections{receiver="otlp"}')) >= 1);
    assert.ok((await collector.metric('tricord_stream_credit_bytes{receiver="otlp"}')) > 0);
  });
});

describe('the stream over an intake', () => {
  /** An intake whose offers the test settles. */
  class ManualIntake implements Intake {
    readonly offers: (PromiseWithResolvers<Offered> & { readonly batch: Batch })[] = [];
    free = 64 * 1024 * 1024;

    offer(batch: Batch): Promise<Offered> {
      const offer = { batch, ...Promise.withResolvers<Offered>() };
      this.offers.push(offer);
      return offer.promise;
    }

    durableSequence(): bigint {
      return 0n;
    }

    bytesFree(): number {
      return this.free;
    }
  }

  const serve = async (intake: Intake): Promise<{ readonly agent: Agent; stop(): Promise<void> }> => {
    const context = {
      id: 'otlp',
      dataDir: '',
      log: new Log(() => undefined),
      telemetry: new SelfTelemetry(),
    };
    const streams = new StreamService(context, intake);
    const admission = new Admission(context, 'grpc', intake);
    const listener = new GrpcListener({ host: '127.0.0.1', port: 0 }, 'key', undefined, admission, streams);
    await listener.start();
    const agent = new Agent(listener.address());
    agent.hello(newInstance());
    const stop = async (): Promise<void> => {
      await listener.stop();
      agent.close();
    };
    return { agent, stop };
  };

  it('acknowledges nothing before it and all before it are durable', async () => {
    const intake = new ManualIntake();
    const { agent, stop } = await serve(intake);
    await agent.until(() => agent.credit > 0);
    for (const sequence of [1, 2, 3]) agent.send(batchMessage(sequence));
    agent.send(batchMessage(4, { payload: Buffer.from([7]) }));
    await agent.until(() => agent.rejected.includes(4));
    assert.equal(agent.acked, 0);
    intake.offers[1]!.resolve('new');
    intake.offers[0]!.resolve('new');
    await agent.until(() => agent.acked === 2);
    intake.offers[2]!.resolve('new');
    await agent.until(() => agent.acked === 4);
    await stop();
  });

  it('ends with UNAVAILABLE when the queue refuses, so that nothing overtakes what was refused', async () => {
    const intake = new ManualIntake();
    const { agent, stop } = await serve(intake);
    await agent.until(() => agent.credit > 0);
    agent.send(batchMessage(1));
    agent.send(batchMessage(2));
    while (intake.offers.length < 2) await new Promise(resolve => setImmediate(resolve));
    intake.offers[0]!.reject(new OfferError('full', true));
    intake.offers[1]!.resolve('new');
    assert.equal((await agent.ended)?.code, status.UNAVAILABLE);
    assert.equal(agent.acked, 0);
    await stop();
  });

  it('gives no credit while the queue is full, and gives it when there is room again', async () => {
    const intake = new ManualIntake();
    intake.free = 0;
    const { agent, stop } = await serve(intake);
    await agent.until(() => agent.messages.length === 1);
    assert.equal(agent.messages[0]!.creditLimit ?? 0, 0);
    intake.free = 64 * 1024 * 1024;
    await agent.until(() => agent.credit > 0);
    await stop();
  });

  it('tells what is settled before a stopping collector ends it', async () => {
    const intake = new ManualIntake();
    const { agent, stop } = await serve(intake);
    await agent.until(() => agent.credit > 0);
    agent.send(batchMessage(1));
    while (intake.offers.length < 1) await new Promise(resolve => setImmediate(resolve));
    const stopped = stop();
    intake.offers[0]!.resolve('new');
    assert.equal((await agent.ended)?.code, status.UNAVAILABLE);
    assert.equal(agent.acked, 1);
    await stopped;
  });
});

/** A request of exactly so many bytes: an unknown field that nobody reads. */
function padded(bytes: number): Uint8Array {
  const tag = [0xfa, 0x01];
  const length = bytes - 6;
  const head = [
    ...tag,
    (length & 0x7f) | 0x80,
    ((length >> 7) & 0x7f) | 0x80,
    ((length >> 14) & 0x7f) | 0x80,
    length >> 21,
  ];
  const payload = new Uint8Array(bytes);
  payload.set(head);
  return payload;
}
