// The stream through networks that slow, slice, reset, swallow and forget: everything arrives, each record once.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Transport, type TransportOptions } from '../../src/transport/transport.ts';
import type { Passage } from '../faults/network/fault-link.ts';
import { FaultProxy } from '../faults/network/fault-proxy.ts';
import {
  acknowledge,
  type StreamCall,
  TestCollector,
  type TestCollectorOptions,
  welcome,
} from './test-collector.ts';
import { idsOf, places, put, transportOptions } from './transport-options.ts';

const FLUSH_MS = 20_000;
const SEED = 1;
/** More than the ring and the resend buffer of these tests together. */
const HELD_BYTES_MAX = 32 << 20;

/** Welcomes an agent as if it had nothing of it, so that the agent sends again all that was not acknowledged. */
const forgetful: TestCollectorOptions['onHello'] = call =>
  call.send({ ackedSequence: 0, creditLimit: 2 ** 50 });

interface Path {
  readonly collector: TestCollector;
  readonly proxy: FaultProxy;
  readonly transport: Transport;
}

async function pathFor(
  t: TestContext,
  thread: boolean,
  options: TestCollectorOptions = {},
  changes: Partial<TransportOptions> = {},
): Promise<Path> {
  const collector = await TestCollector.start(options);
  const proxy = await FaultProxy.before(`127.0.0.1:${collector.port}`, SEED);
  const transport = new Transport(transportOptions(`http://${proxy.endpoint}`, { thread, ...changes }));
  t.after(async () => {
    await transport.shutdown(0);
    proxy.close();
    collector.stop();
  });
  return { collector, proxy, transport };
}

/** What the thread counts has no event: looked at again until it holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

/** All that was put is delivered in the end, and the collector has each once. */
async function assertArrive({ collector, transport }: Path, count: number): Promise<void> {
  while (!(await transport.flush(FLUSH_MS)));
  const ids = idsOf(collector.taken.map(({ payload }) => payload)).sort((a, b) => a - b);
  assert.deepEqual(
    ids,
    Array.from({ length: count }, (_, id) => id),
  );
  const { accepted, delivered, rejected, lost, pending } = transport.stats().signals.traces;
  assert.deepEqual(
    { accepted, delivered, rejected, lost, pending },
    { accepted: count, delivered: count, rejected: 0, lost: 0, pending: 0 },
  );
}

for (const { place, thread } of places) {
  describe(`the stream through a broken network, ${place}`, () => {
    const passages: Readonly<Record<string, Passage>> = {
      'latency and jitter': { latencyMs: 30, jitterMs: 30 },
      'writes of one byte': { sliceBytes: 1 },
      'writes of a few bytes, late': { sliceBytes: 700, latencyMs: 5, jitterMs: 5 },
    };
    for (const [what, passage] of Object.entries(passages)) {
      it(`delivers through ${what}`, async t => {
        const path = await pathFor(t, thread);
        path.proxy.passage = passage;
        for (let id = 0; id < 20; id++) put(path.transport.sink, id, 500);
        await assertArrive(path, 20);
        assert.equal(path.collector.calls.length, 1);
      });
    }

    it('sends no more than the buffers and windows between take to a reader of 1 B/s, and all when it reads on', async t => {
      const path = await pathFor(t, thread, {}, { ringBytes: 1 << 20 });
      const { proxy, transport, collector } = path;
      put(transport.sink, 0);
      await assertArrive(path, 1);
      proxy.passage = { bytesPerSecond: 1 };
      const bytes = 50_000;
      let accepted = 1;
      for (let refused = 0; refused < 50; ) {
        if (put(transport.sink, accepted, bytes)) accepted++;
        else refused++;
        await sleep(1);
      }
      // Nothing but the agent's own bounds holds what is not acknowledged, and the first of it has not got through.
      assert.equal(collector.items, 1);
      assert.ok(accepted * bytes <= HELD_BYTES_MAX);
      assert.equal(transport.stats().signals.traces.pending, accepted - 1);
      await proxy.heal();
      await assertArrive(path, accepted);
    });

    it('is shut down in time though the peer is lost', async t => {
      const { transport, proxy } = await pathFor(t, thread);
      put(transport.sink, 0);
      while (!(await transport.flush(FLUSH_MS)));
      for (const link of proxy.links) link.blackHole();
      put(transport.sink, 1);
      await transport.shutdown(200);
      const { delivered, lost, pending } = transport.stats().signals.traces;
      assert.deepEqual({ delivered, lost, pending }, { delivered: 1, lost: 1, pending: 0 });
    });

    it('delivers what was written into a connection that is reset before it is read', async t => {
      const path = await pathFor(t, thread);
      put(path.transport.sink, 0);
      await assertArrive(path, 1);
      path.proxy.passage = { bytesPerSecond: 1 };
      put(path.transport.sink, 1, 1000);
      await until(() => path.transport.stats().batchesSent === 2);
      for (const link of path.proxy.links) link.reset();
      await path.proxy.heal();
      await assertArrive(path, 2);
      assert.equal(path.collector.duplicates, 0);
    });

    it('delivers once what was read before the reset and acknowledged after it', async t => {
      const path: Path = await pathFor(t, thread, {
        onHello: forgetful,
        onBatch: (call, batch, it) => {
          if (it.calls.length > 3) return acknowledge(call, batch, it);
          it.take(call, batch);
          for (const link of path.proxy.links) link.reset();
          call.send({ ackedSequence: batch.sequence });
        },
      });
      put(path.transport.sink, 0);
      await path.collector.until(({ calls }) => calls.length > 3);
      put(path.transport.sink, 1);
      await assertArrive(path, 2);
      assert.equal(path.collector.duplicates, 3);
    });

    for (const when of ['before a write', 'after a write and before its acknowledgement']) {
      it(`delivers once when the peer goes away ${when}`, async t => {
        const early = when === 'before a write';
        const path = await pathFor(t, thread, {
          onHello: forgetful,
          onBatch: (call, batch, it) => {
            if (early || it.calls.length > 1) return acknowledge(call, batch, it);
            it.take(call, batch);
            it.goAway();
          },
        });
        if (early) {
          await path.collector.until(({ calls }) => calls.length === 1);
          path.collector.goAway();
        }
        put(path.transport.sink, 0);
        await path.collector.until(({ calls }) => calls.length === 2);
        put(path.transport.sink, 1);
        await assertArrive(path, 2);
        assert.equal(path.collector.duplicates, early ? 0 : 1);
      });
    }
  });
}

for (const { place, thread } of places) {
  describe(`an answer to the hello, ${place}`, () => {
    const foreign: Readonly<Record<string, (call: StreamCall) => void>> = {
      'that acknowledges what another session has sent': call =>
        call.send({ ackedSequence: 7, creditLimit: 2 ** 50 }),
      'that gives a negative credit': call =>
        call.sendRaw(Uint8Array.of(0x10, ...new Array(9).fill(0xff), 0x01)),
      'that gives more credit than a number holds': call =>
        call.sendRaw(Uint8Array.of(0x10, ...new Array(8).fill(0xff), 0x01)),
    };
    for (const [what, answer] of Object.entries(foreign)) {
      it(`${what} ends the call, frees nothing, and the next one delivers`, async t => {
        const onHello: TestCollectorOptions['onHello'] = (call, it) =>
          it.calls.length === 1 ? answer(call) : welcome(call, it);
        const path = await pathFor(t, thread, { onHello });
        put(path.transport.sink, 0);
        await path.collector.until(({ calls }) => calls.length === 2);
        await assertArrive(path, 1);
        assert.equal(path.collector.calls[0]!.batches.length, 0);
        assert.equal(path.transport.stats().nonsense, 1);
      });
    }
  });
}
