// The ring: every byte arrives, in order, whatever the sizes and positions; what does not fit is counted.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { limits } from '../../src/limits.ts';
import {
  CONTROL_BYTES,
  ConsumerState,
  Control,
  SHARE_UNIT,
  SignalCounter,
  Word,
} from '../../src/transport/control.ts';
import { Signal } from '../../src/transport/otlp/record.ts';
import { allocateRing, RingConsumer, RingProducer } from '../../src/transport/ring.ts';

const CAPACITY = limits.ring_bytes_min;
const FRAME_HEAD = 12;

interface Ring {
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
  readonly control: Control;
  readonly scope: number;
}

/** A ring whose one scope is defined, and which is empty. */
function ring(position = 0, capacity = CAPACITY): Ring {
  const memory = allocateRing(capacity, position);
  const producer = new RingProducer(memory, 0n);
  const consumer = new RingConsumer(memory);
  const scope = producer.scope({ name: 'test' });
  assert.ok(producer.begin(Signal.traces, scope, true));
  assert.ok(consumer.next());
  consumer.release();
  return { producer, consumer, control: new Control(memory), scope };
}

function write(
  { producer, scope }: Ring,
  size: number,
  fill: number,
  signal: Signal = Signal.traces,
  vital = true,
): boolean {
  const writer = producer.begin(signal, scope, vital);
  if (writer === null) return false;
  writer.raw(new Uint8Array(size).fill(fill));
  return producer.commit(1);
}

function read({ consumer }: Ring): { size: number; fill: number } | undefined {
  if (!consumer.next()) return undefined;
  const payload = consumer.bytes.subarray(consumer.start, consumer.end);
  const fill = payload[0] ?? 0;
  assert.ok(payload.every(byte => byte === fill));
  return { size: payload.length, fill };
}

/** Moves both positions so that the next frame starts at this place of the lap. */
function moveTo(rig: Ring, place: number): void {
  const at = rig.control.words[Word.head]! & (CAPACITY - 1);
  const distance = (place - at + CAPACITY) % CAPACITY;
  for (let left = distance; left > 0; ) {
    const step = left > 2048 + FRAME_HEAD ? 2048 : left;
    assert.ok(step >= FRAME_HEAD);
    assert.ok(write(rig, step - FRAME_HEAD, 0));
    assert.ok(rig.consumer.next());
    rig.consumer.release();
    left -= step;
  }
  assert.equal(rig.control.words[Word.head]! & (CAPACITY - 1), place);
}

describe('the ring', () => {
  it('rounds its size up to a power of two within the limits', () => {
    const capacity = (bytes: number): number =>
      allocateRing(bytes).byteLength - CONTROL_BYTES - FRAME_HEAD - limits.frame_bytes_max;
    assert.equal(capacity(1), limits.ring_bytes_min);
    assert.equal(capacity(limits.ring_bytes_min), limits.ring_bytes_min);
    assert.equal(capacity(limits.ring_bytes_min + 1), 2 * limits.ring_bytes_min);
  });

  it('takes frames until it is full to the last byte, and refuses the next', () => {
    const rig = ring();
    moveTo(rig, 0);
    for (let i = 0; i < CAPACITY / 1024; i++) assert.ok(write(rig, 1024 - FRAME_HEAD, i & 0xff));
    assert.equal(rig.producer.level(), 1);
    assert.equal(write(rig, 1, 0), false);
    assert.equal(rig.control.counted(SignalCounter.droppedFull, Signal.traces), 1);
    assert.deepEqual(read(rig), { size: 1024 - FRAME_HEAD, fill: 0 });
    assert.equal(write(rig, 1, 0), false, 'a frame that is read but not released still takes its place');
    rig.consumer.release();
    assert.equal(write(rig, 1024 - FRAME_HEAD, 7), true);
    assert.equal(write(rig, 1, 0), false);
  });

  it('takes a frame that exactly fills what is free, and refuses one byte more', () => {
    for (const [size, taken] of [
      [2048 - FRAME_HEAD, true],
      [2048 - FRAME_HEAD + 1, false],
    ] as const) {
      const rig = ring();
      moveTo(rig, 4096);
      assert.ok(write(rig, CAPACITY - 4096 - FRAME_HEAD, 1));
      assert.ok(write(rig, 2048 - FRAME_HEAD, 2));
      assert.equal(write(rig, size, 3), taken);
      assert.equal(rig.control.counted(SignalCounter.droppedFull, Signal.traces), taken ? 0 : 1);
      assert.deepEqual(read(rig), { size: CAPACITY - 4096 - FRAME_HEAD, fill: 1 });
      assert.deepEqual(read(rig), { size: 2048 - FRAME_HEAD, fill: 2 });
      assert.deepEqual(read(rig), taken ? { size, fill: 3 } : undefined);
    }
  });

  it('takes the largest frame wherever it starts, and counts one byte more as too large', () => {
    for (const place of [0, 1024, CAPACITY - FRAME_HEAD, CAPACITY - 4]) {
      const rig = ring();
      moveTo(rig, place === CAPACITY - 4 ? CAPACITY - 24 : place);
      if (place === CAPACITY - 4) moveTo(rig, place);
      assert.equal(write(rig, limits.frame_bytes_max + 1, 1, Signal.logs), false);
      assert.equal(rig.control.counted(SignalCounter.droppedTooLarge, Signal.logs), 1);
      assert.equal(write(rig, limits.frame_bytes_max, 2), true);
      assert.equal(rig.control.words[Word.head]! & (CAPACITY - 1), 0, 'the next frame starts a lap');
      assert.deepEqual(read(rig), { size: limits.frame_bytes_max, fill: 2 });
      assert.equal(read(rig), undefined);
    }
  });

  it('keeps a frame in the overhang apart from the next one there', () => {
    const rig = ring();
    moveTo(rig, CAPACITY - 64);
    assert.ok(write(rig, 5000, 1));
    assert.ok(write(rig, CAPACITY - 64 - FRAME_HEAD, 2));
    assert.equal(write(rig, 5000, 3), false, 'the overhang is still taken');
    assert.deepEqual(read(rig), { size: 5000, fill: 1 });
    rig.consumer.release();
    assert.equal(write(rig, 5000, 3), true);
    assert.deepEqual(read(rig), { size: CAPACITY - 64 - FRAME_HEAD, fill: 2 });
    assert.deepEqual(read(rig), { size: 5000, fill: 3 });
  });

  it('uses its first part alone while it is emptied in time', () => {
    const rig = ring(-4 * CAPACITY, 4 * CAPACITY);
    let end = 0;
    for (let i = 0; i < 1000; i++) {
      assert.ok(write(rig, 3000, i & 0xff));
      assert.equal(rig.producer.level() > 0, true);
      assert.deepEqual(read(rig), { size: 3000, fill: i & 0xff });
      end = Math.max(end, rig.consumer.end);
      rig.consumer.release();
      assert.equal(rig.producer.level(), 0);
    }
    assert.ok(end <= CAPACITY + 3000 + FRAME_HEAD);
    assert.ok(rig.control.words[Word.head]! > 0, 'while positions count on');
  });

  it('goes on where it is while anything in it is not released', () => {
    const rig = ring(0, 4 * CAPACITY);
    const size = 8192 - FRAME_HEAD;
    for (let i = 0; i < 12; i++) assert.ok(write(rig, size, i));
    for (let i = 0; i < 12; i++) assert.deepEqual(read(rig), { size, fill: i });
    const { end } = rig.consumer;
    assert.ok(write(rig, size, 12));
    assert.deepEqual(read(rig), { size, fill: 12 });
    assert.equal(rig.consumer.start, end + FRAME_HEAD);
    rig.consumer.release();
    const another = new RingConsumer(rig.control.words.buffer as SharedArrayBuffer);
    assert.ok(write(rig, size, 13));
    for (const consumer of [rig.consumer, another]) {
      assert.ok(consumer.next());
      assert.deepEqual([consumer.start, consumer.bytes[consumer.start]], [FRAME_HEAD, 13]);
    }
  });

  it('counts positions past 2^31 and 2^32', () => {
    for (const position of [2 ** 31 - CAPACITY, -CAPACITY]) {
      const rig = ring(position | 0);
      for (let i = 0; i < 300; i++) {
        assert.ok(write(rig, 1000, i & 0xff));
        assert.deepEqual(read(rig), { size: 1000, fill: i & 0xff });
        rig.consumer.release();
        assert.ok(rig.producer.level() === 0);
      }
      assert.notEqual(Math.sign(rig.control.words[Word.head]!), Math.sign(position | 0));
    }
  });

  it('behaves as a bounded queue of frames', () => {
    const frame = fc.record({
      size: fc.oneof(fc.nat(200), fc.nat(9000), fc.nat(limits.frame_bytes_max)),
      fill: fc.nat(255),
    });
    const step = fc.oneof(frame, fc.record({ read: fc.nat(20), release: fc.boolean() }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer(), fc.boolean(), (steps, start, large) => {
        const rig = ring(start & ~3, large ? 8 * CAPACITY : CAPACITY);
        const expected: { size: number; fill: number }[] = [];
        for (const each of steps) {
          if ('size' in each) {
            if (write(rig, each.size, each.fill))
              expected.push({ size: each.size, fill: each.size > 0 ? each.fill : 0 });
            else assert.ok(rig.producer.level() > 0, 'an empty ring takes every frame');
          } else {
            for (let i = 0; i < each.read; i++) assert.deepEqual(read(rig), expected.shift());
            if (each.release) rig.consumer.release();
          }
          assert.ok(rig.producer.level() >= 0 && rig.producer.level() <= 1);
        }
        for (const rest of expected) assert.deepEqual(read(rig), rest);
        assert.equal(read(rig), undefined);
      }),
      { numRuns: 300 },
    );
  });

  for (const laps of [1, 4])
    it(`hands every byte to another thread, asleep or awake; ${laps} × ${CAPACITY} bytes`, () =>
      handOver(laps));

  async function handOver(laps: number): Promise<void> {
    const frames = 20_000;
    const memory = allocateRing(laps * CAPACITY, 2 ** 31 - CAPACITY);
    const worker = new Worker(new URL('./ring-reader.ts', import.meta.url), {
      workerData: { memory, frames },
    });
    const verdict = once(worker, 'message');
    const exit = once(worker, 'exit');
    const producer = new RingProducer(memory, 0n);
    const scope = producer.scope({ name: 'test' });
    for (let i = 0; i < frames; ) {
      const writer = producer.begin(Signal.traces, scope, true);
      if (writer !== null) {
        writer.fixed32(1, i);
        writer.raw(new Uint8Array((i * 7919) % 3000).fill(i & 0xff));
        if (producer.commit(1)) i++;
      } else await turn();
      if (i % 1000 === 0) await turn();
    }
    assert.deepEqual(await verdict, [{ frames, faults: 0 }]);
    await exit;
  }

  it('writes text longer than the short path, beyond ASCII, into shared memory', () => {
    const rig = ring();
    const text = 'größer ☃ 💡'.repeat(50);
    const writer = rig.producer.begin(Signal.logs, rig.scope, true)!;
    writer.string(1, text);
    assert.ok(rig.producer.commit(1));
    assert.ok(rig.consumer.next());
    const payload = Buffer.from(rig.consumer.bytes.slice(rig.consumer.start, rig.consumer.end));
    assert.ok(payload.toString().endsWith(text));
  });

  it('keeps its last sixteenth for what is vital', () => {
    const rig = ring();
    const size = CAPACITY / 16 - FRAME_HEAD;
    for (let i = 0; i < 15; i++) assert.ok(write(rig, size, i, Signal.traces, false));
    assert.ok(write(rig, 4, 15, Signal.traces, false), 'filled to the last sixteenth, and not beyond');
    assert.equal(write(rig, 4, 0, Signal.traces, false), false);
    assert.equal(rig.control.counted(SignalCounter.droppedFull, Signal.traces), 1);
    assert.ok(write(rig, 4, 16));
    assert.deepEqual(read(rig), { size, fill: 0 });
    rig.consumer.release();
    assert.ok(write(rig, 4, 0, Signal.traces, false), 'and there is room again');
  });

  it('says how much room there is, by its own level and by what the thread holds', () => {
    const rig = ring();
    const { words } = rig.control;
    const size = CAPACITY / 16 - FRAME_HEAD;
    for (let i = 0; i < 12; i++) assert.ok(write(rig, size, i));
    assert.equal(rig.producer.room(), 1, 'three quarters');
    for (let i = 0; i < 2; i++) assert.ok(write(rig, size, i));
    assert.equal(rig.producer.room(), Math.exp(-3), 'half of the last quarter');
    Atomics.store(words, Word.held, SHARE_UNIT);
    assert.equal(rig.producer.room(), Math.exp(-9), 'and the thread is full');
    while (rig.consumer.next());
    rig.consumer.release();
    assert.equal(rig.producer.room(), Math.exp(-6));
    Atomics.store(words, Word.held, SHARE_UNIT / 4);
    assert.equal(rig.producer.room(), 1);
    Atomics.store(words, Word.sampling, SHARE_UNIT / 2);
    assert.equal(rig.producer.samplingProbability(), 0.5);
    rig.producer.leaveOut(Signal.logs);
    assert.equal(rig.control.counted(SignalCounter.leftOut, Signal.logs), 1);
  });

  it('forgets a frame that was begun and never committed', () => {
    const rig = ring();
    rig.producer.begin(Signal.traces, rig.scope, true)!.raw(new Uint8Array(99));
    assert.ok(write(rig, 10, 5));
    assert.deepEqual(read(rig), { size: 10, fill: 5 });
    assert.equal(read(rig), undefined);
  });

  it('refuses and counts what comes after close', () => {
    const rig = ring();
    rig.producer.close();
    assert.equal(write(rig, 1, 1, Signal.metrics), false);
    assert.equal(rig.control.counted(SignalCounter.droppedClosed, Signal.metrics), 1);
  });
});

describe('scopes in the ring', () => {
  it('have one number for the same content, whoever declares them', () => {
    const { producer } = ring();
    const attributes = { keys: ['a'], values: [1], count: 1 };
    const one = producer.scope({ name: 'n', version: '1', attributes });
    assert.equal(producer.scope({ name: 'n', version: '1', attributes: { ...attributes } }), one);
    const others = [
      producer.scope({ name: 'n', version: '1' }),
      producer.scope({ name: 'n', schemaUrl: '1' }),
      producer.scope({ name: 'n1' }),
      producer.scope({ name: 'n', version: '1', attributes: { ...attributes, values: ['1'] } }),
      producer.scope({ name: '__proto__' }),
    ];
    assert.equal(new Set([one, ...others]).size, 6);
  });

  it('are defined before their first frame, once', () => {
    const rig = ring();
    const scope = rig.producer.scope({ name: 'second' });
    assert.ok(write({ ...rig, scope }, 1, 1));
    assert.ok(write({ ...rig, scope }, 1, 2));
    assert.ok(rig.consumer.next());
    assert.equal(rig.consumer.kind, undefined);
    assert.equal(rig.consumer.scope, scope);
    assert.ok(rig.consumer.next());
    assert.deepEqual([rig.consumer.kind, rig.consumer.scope], [Signal.traces, scope]);
    assert.ok(rig.consumer.next());
    assert.deepEqual([rig.consumer.kind, rig.consumer.scope], [Signal.traces, scope]);
    assert.equal(rig.consumer.next(), false);
  });

  it('are defined later when the ring is full', () => {
    const rig = ring();
    const scope = rig.producer.scope({ name: 'late'.repeat(100) });
    moveTo(rig, 4096);
    assert.ok(write(rig, CAPACITY - 4096 - FRAME_HEAD, 1));
    assert.ok(write(rig, 4096 - 200 - FRAME_HEAD, 1));
    assert.equal(write({ ...rig, scope }, 1, 2), false, 'a definition of more than 200 bytes');
    assert.ok(write(rig, 150, 1));
    assert.equal(write({ ...rig, scope }, 1, 2), false, 'nothing fits');
    while (rig.consumer.next());
    rig.consumer.release();
    assert.ok(write({ ...rig, scope }, 1, 3));
    assert.ok(rig.consumer.next());
    assert.deepEqual([rig.consumer.kind, rig.consumer.scope], [undefined, scope]);
    assert.deepEqual(read(rig), { size: 1, fill: 3 });
  });

  it('share one number beyond their limit, and lose attributes that are too large', () => {
    const { producer } = ring();
    const numbers = Array.from({ length: 5000 }, (_, i) => producer.scope({ name: `scope ${i}` }));
    assert.equal(numbers.at(-1), numbers.at(-2));
    assert.equal(new Set(numbers).size, 4095);
    const large = { keys: ['k'], values: ['v'.repeat(60_000)], count: 1 };
    assert.doesNotThrow(() =>
      new RingProducer(allocateRing(0), 0n).scope({ name: 'n'.repeat(99_999), attributes: large }),
    );
  });
});

describe('waking the consumer', () => {
  it('happens for any frame when it sleeps, and only for a filling ring when it lets frames gather', () => {
    const rig = ring();
    const { words } = rig.control;
    const after = (state: number): number => {
      words[Word.consumer] = state;
      assert.ok(write(rig, 100, 1));
      return words[Word.consumer]!;
    };
    assert.equal(after(ConsumerState.asleep), ConsumerState.awake);
    assert.equal(after(ConsumerState.lingering), ConsumerState.lingering);
    assert.equal(after(ConsumerState.blocked), ConsumerState.blocked);
    while (rig.producer.level() <= 0.25) assert.ok(write(rig, 100, 1));
    assert.equal(after(ConsumerState.lingering), ConsumerState.awake);
    assert.equal(after(ConsumerState.blocked), ConsumerState.blocked);
  });
});
