// Connections that say nothing any more, or never did: a ping finds them, and what they had not acknowledged is sent again.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Control, SignalCounter, ThreadCounter } from '../../src/transport/control.ts';
import { openDelivery } from '../../src/transport/delivery.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { allocateRing, RingProducer } from '../../src/transport/ring.ts';
import { FaultProxy } from '../faults/network/fault-proxy.ts';
import { acknowledge, TestCollector, type TestCollectorOptions } from './test-collector.ts';
import { idsOf, put, transportOptions } from './transport-options.ts';

const SEED = 1;
/** So that silence is found within the test; what an application has is in `grpc.ts`. */
const keepalive = { keepaliveMs: 50, keepaliveTimeoutMs: 500 };

interface Path {
  readonly collector: TestCollector;
  readonly proxy: FaultProxy;
  readonly producer: RingProducer;
  readonly control: Control;
}

/** The loop between ring and collector, with pings in quick succession, and the proxy in between. */
async function pathFor(t: TestContext, options: TestCollectorOptions = {}): Promise<Path> {
  const collector = await TestCollector.start(options);
  const proxy = await FaultProxy.before(`127.0.0.1:${collector.port}`, SEED);
  const memory = allocateRing(1 << 20);
  const producer = new RingProducer(memory, 0n);
  const definitions = producer.definitions();
  const delivery = openDelivery(
    {
      ...transportOptions(`http://${proxy.endpoint}`),
      ...keepalive,
      ...{ memory, definitions, held: undefined, packs: 'waiting' },
    },
    () => undefined,
  );
  const running = delivery.run();
  t.after(async () => {
    await delivery.stop(0);
    await running;
    proxy.close();
    collector.stop();
  });
  return { collector, proxy, producer, control: new Control(memory) };
}

/** What is counted has no event: looked at again until it holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

/** The collector has so many records, each once, and the agent knows. */
async function assertArrived({ collector, control }: Path, count: number): Promise<void> {
  await collector.until(({ items }) => items === count);
  await until(() => control.counted(SignalCounter.delivered, Signal.traces) === count);
  const ids = idsOf(collector.taken.map(({ payload }) => payload)).sort((a, b) => a - b);
  assert.deepEqual(
    ids,
    Array.from({ length: count }, (_, id) => id),
  );
}

describe('a connection that says nothing', () => {
  it('but swallows everything is given up, and what it swallowed is sent on a new one', async t => {
    const path = await pathFor(t);
    put(path.producer, 0);
    await assertArrived(path, 1);
    for (const link of path.proxy.links) link.blackHole();
    put(path.producer, 1);
    await assertArrived(path, 2);
    assert.equal(path.proxy.connections, 2);
  });

  it('because its other end is gone is given up, and what was taken and not acknowledged is recognised', async t => {
    const onBatch: TestCollectorOptions['onBatch'] = (call, batch, it) => {
      if (it.calls.length > 1) return acknowledge(call, batch, it);
      it.take(call, batch);
      for (const link of path.proxy.links) link.halfOpen('server');
    };
    const onHello: TestCollectorOptions['onHello'] = call =>
      call.send({ ackedSequence: 0, creditLimit: 2 ** 50 });
    const path = await pathFor(t, { onBatch, onHello });
    put(path.producer, 0);
    await path.collector.until(({ calls }) => calls.length === 2);
    put(path.producer, 1);
    await assertArrived(path, 2);
    assert.equal(path.collector.duplicates, 1);
  });

  it('but is only slow is kept, as long as acknowledgements come: a ping waits behind all that is under way', async t => {
    const path = await pathFor(t);
    put(path.producer, 0);
    await assertArrived(path, 1);
    path.proxy.passage = { bytesPerSecond: 400_000 };
    for (let id = 1; id <= 20; id++) {
      put(path.producer, id, 30_000);
      await sleep(10);
    }
    await assertArrived(path, 21);
    assert.equal(path.proxy.connections, 1);
  });

  for (const trouble of ['leads nowhere', 'is reset', 'is refused']) {
    it(`because it ${trouble} when it is made is tried again until it does not`, async t => {
      const path = await pathFor(t);
      const { proxy, control } = path;
      put(path.producer, 0);
      await assertArrived(path, 1);
      const failures = (): number => control.countedThread(ThreadCounter.connectionFailures);
      const before = failures();
      if (trouble === 'is refused') proxy.refuse();
      else proxy.admission = trouble === 'is reset' ? 'reset' : 'black hole';
      for (const link of proxy.links) link.reset();
      put(path.producer, 1);
      await until(() => failures() >= before + 2);
      await proxy.heal();
      await assertArrived(path, 2);
    });
  }
});
