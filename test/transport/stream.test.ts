// The stream between the transport and a collector: credit, acknowledgements, resends, rejections, hostile collectors.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { limits } from '../../src/limits.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { Transport, type TransportOptions } from '../../src/transport/transport.ts';
import { acknowledge, TestCollector, type TestCollectorOptions, welcome } from './test-collector.ts';
import {
  idsByScope,
  idsOf,
  places,
  put,
  putBytes,
  resource,
  transportOptions,
  values,
} from './transport-options.ts';

const FLUSH_MS = 10_000;

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const sorted = (ids: number[]): number[] => ids.sort((a, b) => a - b);
const taken = (collector: TestCollector): number[] =>
  sorted(idsOf(collector.taken.map(batch => batch.payload)));

async function collectorFor(t: TestContext, options: TestCollectorOptions = {}): Promise<TestCollector> {
  const collector = await TestCollector.start(options);
  t.after(() => collector.stop());
  return collector;
}

function transportTo(t: TestContext, url: string, changes: Partial<TransportOptions> = {}): Transport {
  const transport = new Transport(transportOptions(url, changes));
  t.after(() => transport.shutdown(0));
  return transport;
}

/** What the thread counts has no event: looked at again until it holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

for (const { place, thread } of places) {
  describe(`the stream, ${place}`, () => {
    it('carries all three signals, grouped by scope under the resource, each record once', async t => {
      const collector = await collectorFor(t);
      const instanceId = new Uint8Array(16).fill(9);
      const transport = transportTo(t, collector.url, {
        thread,
        instanceId,
        // Those that gRPC itself sends stay what they are.
        headers: { 'X-Tenant': 'acme', 'Content-Type': 'text/plain', 'User-Agent': 'other' },
      });
      for (const signal of Object.values(Signal)) {
        for (const id of range(100))
          assert.ok(put(transport.sink, id, 20, signal, id % 2 === 0 ? 'even' : 'odd'));
      }
      assert.equal(await transport.flush(FLUSH_MS), true);
      const [call] = collector.calls;
      assert.deepEqual({ ...call!.hello.instanceId }, { ...instanceId });
      assert.deepEqual({ ...call!.hello.resource }, { ...resource });
      assert.equal(call!.hello.nextSequence, 1);
      assert.deepEqual(call!.metadata.get('x-tenant'), ['acme']);
      assert.deepEqual(call!.metadata.get('user-agent'), ['tricord']);
      for (const signal of Object.values(Signal)) {
        const batches = collector.taken.filter(batch => batch.signal === signal);
        assert.deepEqual(taken({ taken: batches } as unknown as TestCollector), range(100));
        assert.equal(
          batches.reduce((sum, batch) => sum + batch.itemCount, 0),
          100,
        );
        for (const { payload } of batches) {
          assert.deepEqual([...values(values(payload, 1)[0]!, 1)[0]!], [...resource]);
          for (const [scope, ids] of idsByScope(payload))
            assert.ok(ids.every(id => (id % 2 === 0) === (scope === 'even')));
        }
      }
      const { signals } = transport.stats();
      const dropped = { full: 0, tooLarge: 0, closed: 0 };
      const expected = {
        accepted: 100,
        delivered: 100,
        rejected: 0,
        lost: 0,
        pending: 0,
        queued: 0,
        gap: 0,
        leftOut: 0,
        dropped,
      };
      assert.deepEqual(signals, { traces: expected, metrics: expected, logs: expected });
    });

    it('sends by itself after the linger', async t => {
      const collector = await collectorFor(t);
      const transport = transportTo(t, collector.url, { thread });
      put(transport.sink, 1);
      await collector.until(({ taken }) => taken.length === 1);
      put(transport.sink, 2, 0, Signal.metrics);
      await collector.until(({ taken }) => taken.length === 2);
    });

    it('keeps batches under their limit', async t => {
      const collector = await collectorFor(t);
      const transport = transportTo(t, collector.url, { thread, ringBytes: 8 << 20 });
      const sizes = [
        limits.frame_bytes_max - 16,
        limits.frame_bytes_max - 16,
        100_000,
        200_000,
        300,
        150_000,
      ];
      for (const [id, size] of sizes.entries()) assert.ok(put(transport.sink, id, size));
      assert.equal(put(transport.sink, 99, limits.frame_bytes_max), false);
      assert.equal(await transport.flush(FLUSH_MS), true);
      assert.deepEqual(taken(collector), range(sizes.length));
      assert.ok(collector.taken.length > 1);
      for (const { payload } of collector.taken) assert.ok(payload.length <= limits.batch_bytes_max);
      assert.equal(transport.stats().signals.traces.dropped.tooLarge, 1);
    });

    it('never sends more than the credit, and fills the ring meanwhile', async t => {
      const step = 40_000;
      let limit = step;
      const collector = await collectorFor(t, {
        onHello: call => call.send({ ackedSequence: 0, creditLimit: limit }),
        onBatch: (call, batch, it) => {
          assert.ok(call.bytes <= limit);
          acknowledge(call, batch, it);
        },
      });
      const transport = transportTo(t, collector.url, { thread, ringBytes: limits.ring_bytes_min });
      await once(collector, 'hello');
      await until(() => transport.stats().connected);
      let accepted = 0;
      while (transport.stats().signals.traces.dropped.full === 0) {
        if (put(transport.sink, accepted, 10_000)) accepted++;
        await sleep(1);
      }
      assert.ok(transport.stats().level > 0.5);
      assert.ok(
        accepted * 10_000 < 3 * limits.batch_bytes_max,
        'it is the ring that holds what waits for credit',
      );
      const flushed = transport.flush(FLUSH_MS);
      for (const call of collector.calls) {
        while (collector.items < accepted) {
          limit += step;
          call.send({ creditLimit: limit });
          call.send({ creditLimit: 1 });
          await sleep(1);
        }
      }
      assert.equal(await flushed, true);
      assert.deepEqual(taken(collector), range(accepted));
      assert.equal(transport.stats().signals.traces.delivered, accepted);
    });

    it('sends on within the credit, however late the first acknowledgement comes', async t => {
      const collector = await collectorFor(t, { onBatch: (call, batch, it) => it.take(call, batch) });
      const transport = transportTo(t, collector.url, { thread });
      const count = Math.ceil(limits.resend_bytes_min / 2 / 10_000);
      for (let accepted = 0; accepted < count; ) {
        if (put(transport.sink, accepted, 10_000)) accepted++;
        else await sleep(1);
      }
      const flushed = transport.flush(FLUSH_MS);
      await collector.until(({ items }) => items === count);
      const [call] = collector.calls;
      call!.send({ ackedSequence: call!.batches.at(-1)!.sequence });
      assert.equal(await flushed, true);
    });

    it('sends again what was not acknowledged when the connection was cut, and nothing else', async t => {
      const collector = await collectorFor(t, {
        onBatch: (call, batch, it) => {
          // The third batch is lost on the way, the second one's acknowledgement on the way back.
          const first = it.calls.length === 1;
          if (!first || batch.sequence < 3) it.take(call, batch);
          if (!first || batch.sequence < 2) call.send({ ackedSequence: batch.sequence });
        },
      });
      const transport = transportTo(t, collector.url, { thread });
      for (const id of range(3)) {
        put(transport.sink, id);
        await once(collector, 'batch');
      }
      collector.sever();
      assert.equal(await transport.flush(FLUSH_MS), true);
      put(transport.sink, 3);
      assert.equal(await transport.flush(FLUSH_MS), true);
      assert.deepEqual(taken(collector), range(4));
      const [, second] = collector.calls;
      assert.deepEqual({ ...second!.hello.instanceId }, { ...collector.calls[0]!.hello.instanceId });
      assert.equal(second!.hello.nextSequence, 2);
      assert.deepEqual(second!.batches.map(batch => batch.sequence).slice(-2), [3, 4]);
      assert.equal(transport.stats().signals.traces.delivered, 4);
    });

    it('holds everything while the collector is down, and delivers it when it is up', async t => {
      const probe = await TestCollector.start();
      const { port, url } = probe;
      probe.stop();
      const transport = transportTo(t, url, { thread });
      for (const id of range(500)) assert.ok(put(transport.sink, id, 100));
      assert.equal(await transport.flush(FLUSH_MS), false, 'a refused connection ends the flush early');
      await until(() => /ECONNREFUSED/.test(transport.stats().lastFailure ?? ''));
      assert.ok(transport.stats().connectionFailures >= 2);
      assert.equal(transport.stats().signals.traces.pending, 500);
      const collector = await collectorFor(t, { port });
      await collector.until(({ items }) => items === 500);
      assert.deepEqual(taken(collector), range(500));
    });

    it('keeps no more than its bounds while the collector is down, and counts the rest', async t => {
      const probe = await TestCollector.start();
      probe.stop();
      const transport = transportTo(t, probe.url, { thread, ringBytes: 1 << 20 });
      const size = 100_000;
      const filling = randomBytes(size);
      await until(() => transport.stats().connectionFailures > 0);
      let offered = 0;
      let refused = 0;
      while (refused < 50) {
        refused = putBytes(transport.sink, offered++, filling) ? 0 : refused + 1;
        await sleep(1);
      }
      const { accepted, dropped, pending } = transport.stats().signals.traces;
      assert.equal(accepted + dropped.full, offered);
      assert.equal(pending, accepted);
      assert.ok(accepted * size <= limits.resend_bytes_min + (1 << 20) + limits.frame_bytes_max);
      assert.ok(accepted * size > limits.resend_bytes_min / 2);
    });

    it('gathers whole batches while the collector is down, and has less and less room', async t => {
      const probe = await TestCollector.start();
      const { port } = probe;
      probe.stop();
      const transport = transportTo(t, probe.url, { thread, ringBytes: 1 << 20 });
      await until(() => transport.stats().connectionFailures > 0);
      assert.equal(transport.stats().room, 1);
      let accepted = 0;
      while (transport.stats().room > 0.1) {
        if (putBytes(transport.sink, accepted, randomBytes(10_000))) accepted++;
        await sleep(1);
      }
      await until(() => transport.stats().signals.traces.gap === 0);
      const collector = await collectorFor(t, { port });
      assert.equal(await transport.flush(FLUSH_MS), true);
      assert.deepEqual(taken(collector), range(accepted));
      const fewest = Math.ceil((accepted * 10_000) / limits.batch_bytes_max);
      assert.ok(collector.taken.length <= fewest + 3, `${collector.taken.length} for ${fewest}`);
      const { room, signals } = transport.stats();
      assert.deepEqual([room, signals.traces.gap, signals.traces.pending], [1, 0, 0]);
    });

    it('packs what has to wait, in a thread, and spends the credit of the unpacked bytes', async t => {
      const probe = await TestCollector.start();
      const { port } = probe;
      probe.stop();
      const transport = transportTo(t, probe.url, { thread, ringBytes: 8 << 20 });
      await until(() => transport.stats().connectionFailures > 0);
      const size = 100_000;
      let refused = 0;
      for (let id = 0; id < (2 * limits.resend_bytes_min) / size; id++) {
        if (!put(transport.sink, id, size)) refused++;
        await sleep(1);
      }
      await until(() => transport.stats().level === 0 || !thread);
      assert.equal(refused > 0 || transport.stats().room < 1, !thread);
      let limit = limits.batch_bytes_max + 100;
      const collector = await collectorFor(t, {
        port,
        onHello: call => call.send({ ackedSequence: 0, creditLimit: limit }),
        onBatch: (call, batch, it) => {
          assert.ok(call.bytes <= limit, `${call.bytes} bytes of ${limit}`);
          limit += limits.batch_bytes_max;
          call.send({ creditLimit: limit });
          acknowledge(call, batch, it);
        },
      });
      assert.equal(await transport.flush(FLUSH_MS), true);
      const { accepted, delivered } = transport.stats().signals.traces;
      assert.equal(delivered, accepted);
      assert.equal(taken(collector).length, accepted);
      const sent = transport.stats().bytesSent;
      assert.equal(sent < (accepted * size) / 10, thread, `${sent} bytes for ${accepted * size}`);
    });

    it('packs every batch when it is asked to, and none when it is asked not to', async t => {
      const bytes: number[] = [];
      for (const compression of ['gzip', 'none'] as const) {
        const collector = await collectorFor(t);
        const transport = transportTo(t, collector.url, { thread, compression });
        for (const id of range(10)) put(transport.sink, id, 10_000);
        assert.equal(await transport.flush(FLUSH_MS), true);
        assert.deepEqual(taken(collector), range(10));
        bytes.push(transport.stats().bytesSent);
      }
      assert.ok(bytes[0]! < 10_000 && bytes[1]! > 100_000, bytes.join(' and '));
    });

    it('tells the credit that is left, while there is a stream', async t => {
      const credit = 1_000_000;
      const collector = await collectorFor(t, {
        onHello: call => call.send({ ackedSequence: 0, creditLimit: credit }),
      });
      const transport = transportTo(t, collector.url, { thread });
      await until(() => transport.stats().connected);
      assert.equal(transport.stats().credit, credit);
      put(transport.sink, 1, 10_000);
      assert.equal(await transport.flush(FLUSH_MS), true);
      const left = transport.stats().credit!;
      assert.ok(left < credit - 10_000 && left > credit - 11_000, `${left}`);
      collector.stop();
      await until(() => !transport.stats().connected);
      assert.equal(transport.stats().credit, undefined);
    });

    it('frees a rejected batch, counts it, and goes on past it after a reconnect', async t => {
      const collector = await collectorFor(t, {
        onBatch: (call, batch, it) => {
          if (batch.sequence === 2) call.send({ rejected: [{ sequence: 2, reason: 'no good' }] });
          else if (it.calls.length > 1) acknowledge(call, batch, it);
        },
      });
      const transport = transportTo(t, collector.url, { thread });
      for (const id of range(3)) {
        put(transport.sink, id);
        await once(collector, 'batch');
      }
      await until(() => transport.stats().signals.traces.rejected === 1);
      await until(() => /no good/.test(transport.stats().lastFailure ?? ''));
      collector.sever();
      assert.equal(await transport.flush(FLUSH_MS), true);
      assert.deepEqual(taken(collector), [0, 2]);
      const { delivered, rejected, pending } = transport.stats().signals.traces;
      assert.deepEqual({ delivered, rejected, pending }, { delivered: 2, rejected: 1, pending: 0 });
    });

    it('begins after a reconnect behind what is settled, acknowledged or rejected', async t => {
      const collector = await collectorFor(t, {
        onBatch: (call, batch, it) => {
          if (batch.sequence === 2)
            call.send({ rejected: [{ sequence: 2, reason: 'no good' }], ackedSequence: 1 });
          if (batch.sequence > 2) acknowledge(call, batch, it);
        },
      });
      const transport = transportTo(t, collector.url, { thread });
      for (const id of range(2)) {
        put(transport.sink, id);
        await once(collector, 'batch');
      }
      assert.equal(await transport.flush(FLUSH_MS), true);
      collector.sever();
      await collector.until(({ calls }) => calls.length === 2);
      assert.equal(collector.calls[1]!.hello.nextSequence, 3);
      put(transport.sink, 2);
      assert.equal(await transport.flush(FLUSH_MS), true);
      assert.deepEqual(taken(collector), [2]);
    });

    it('gives up a batch that ends call after call as invalid, and delivers the others', async t => {
      const collector = await collectorFor(t, {
        onBatch: (call, batch, it) => {
          if (idsOf([batch.payload]).includes(1)) call.end(grpc.status.INVALID_ARGUMENT, 'poison');
          else acknowledge(call, batch, it);
        },
      });
      const transport = transportTo(t, collector.url, { thread });
      put(transport.sink, 0);
      await transport.flush(FLUSH_MS);
      put(transport.sink, 1);
      await transport.flush(FLUSH_MS);
      put(transport.sink, 2);
      while (!(await transport.flush(FLUSH_MS)));
      assert.deepEqual(taken(collector), [0, 2]);
      assert.equal(transport.stats().signals.traces.rejected, 1);
      assert.equal(transport.stats().signals.traces.delivered, 2);
    });
  });
}

for (const { place, thread } of places) {
  describe(`a collector that makes no sense, ${place}`, () => {
    const hostile: Record<
      string,
      (call: { send: (m: object) => void; sendRaw: (b: Uint8Array) => void }) => void
    > = {
      'acknowledges what was never sent': call => call.send({ ackedSequence: 999 }),
      'sends bytes that are no message': call => call.sendRaw(Uint8Array.of(0xff, 0xff, 0xff)),
      'sends a number past 2^53': call => call.sendRaw(Uint8Array.of(0x08, ...new Array(9).fill(0xff), 0x01)),
      'sends more than 4 MiB': call => call.sendRaw(new Uint8Array(limits.response_bytes_max + 1)),
    };
    for (const [what, attack] of Object.entries(hostile)) {
      it(`${what}: the call ends, nothing is freed, the next call delivers`, async t => {
        const collector = await collectorFor(t, {
          onBatch: (call, batch, it) => {
            if (it.calls.length === 1) attack(call);
            else acknowledge(call, batch, it);
          },
        });
        const transport = transportTo(t, collector.url, { thread });
        put(transport.sink, 7);
        await collector.until(({ calls }) => calls.length === 2);
        assert.equal(await transport.flush(FLUSH_MS), true);
        assert.deepEqual(taken(collector), [7]);
        assert.equal(transport.stats().signals.traces.delivered, 1);
        assert.equal(transport.stats().deaths, 0);
      });
    }

    it('acknowledges twice, goes back on its word and rejects the unknown: ignored', async t => {
      const collector = await collectorFor(t, {
        onBatch: (call, batch, it) => {
          acknowledge(call, batch, it);
          call.send({ ackedSequence: batch.sequence, creditLimit: 1 });
          call.send({ ackedSequence: 0, rejected: [{ sequence: batch.sequence, reason: 'late' }] });
          call.send({ rejected: [{ sequence: 77, reason: 'unknown' }] });
        },
      });
      const transport = transportTo(t, collector.url, { thread });
      for (const id of range(3)) {
        put(transport.sink, id);
        assert.equal(await transport.flush(FLUSH_MS), true);
      }
      await until(() => transport.stats().nonsense === 3);
      assert.equal(collector.calls.length, 1);
      const { delivered, rejected } = transport.stats().signals.traces;
      assert.deepEqual({ delivered, rejected }, { delivered: 3, rejected: 0 });
    });
  });
}

for (const { place, thread } of places) {
  describe(`a sampling directive, ${place}`, () => {
    it('holds until it lapses', async t => {
      const collector = await collectorFor(t);
      const transport = transportTo(t, collector.url, { thread });
      assert.equal(transport.stats().samplingProbability, 1);
      if (collector.calls.length === 0) await once(collector, 'hello');
      collector.calls[0]!.send({ sampling: { probability: 0.25, validMs: 200 } });
      await until(() => transport.stats().samplingProbability === 0.25);
      await until(() => transport.stats().samplingProbability === 1);
    });

    it('is ignored and counted when it is out of bounds', async t => {
      const directives = [
        { probability: 0, validMs: 1000 },
        { probability: 1.01, validMs: 1000 },
        { probability: -1, validMs: 1000 },
        { probability: Number.NaN, validMs: 1000 },
        { probability: 0.5, validMs: 0 },
      ];
      const collector = await collectorFor(t, {
        onHello: (call, it) => {
          welcome(call, it);
          for (const sampling of directives) call.send({ sampling });
        },
      });
      const transport = transportTo(t, collector.url, { thread });
      await until(() => transport.stats().nonsense === directives.length);
      assert.equal(transport.stats().samplingProbability, 1);
      assert.equal(collector.calls.length, 1);
    });
  });
}
