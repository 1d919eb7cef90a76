// The tail of the queue in memory: what it gives, and that it holds no more than it says.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Signal } from 'tricord/otlp';
import type { QueuedBatch } from '../../../collector/component.ts';
import { Tail } from '../../../collector/queue/tail.ts';

const KIB = 1024;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function batchAt(position: bigint, bytes: number): QueuedBatch {
  const payload = new Uint8Array(bytes);
  const origin = undefined;
  return { signal: Signal.traces, payload, items: 1, source: 'otlp', origin, position, receivedAt: 0 };
}

describe('the tail', () => {
  it('gives what lies at or behind a position, within both bounds, and nothing from before its bound', () => {
    const tail = new Tail(3 * KIB, 0n);
    for (let position = 0n; position < 10n; position++) tail.push(batchAt(position, KIB / 2));
    assert.equal(tail.from(0n, KIB, 10), undefined);
    const positions = (from: bigint, bytes: number, count: number): bigint[] =>
      tail.from(from, bytes, count)!.map(({ position }) => position);
    assert.deepEqual(positions(6n, 64 * KIB, 10), [6n, 7n, 8n, 9n]);
    assert.deepEqual(positions(6n, 64 * KIB, 2), [6n, 7n]);
    assert.deepEqual(positions(6n, 1, 10), [6n]);
    assert.deepEqual(positions(10n, KIB, 10), []);
  });

  it('lets go of the payloads that it has dropped or forgotten', () => {
    const tail = new Tail(256 * KIB, 0n);
    const payloads: WeakRef<Uint8Array>[] = [];
    const push = (position: bigint): void => {
      const batch = batchAt(position, 64 * KIB);
      payloads.push(new WeakRef(batch.payload));
      tail.push(batch);
    };
    for (let position = 0n; position < 100n; position++) push(position);
    tail.forget(99n);
    // What a WeakRef was made for lives until the end of the turn.
    return new Promise<void>(resolve => setImmediate(resolve)).then(() => {
      collectGarbage();
      const alive = payloads.filter(payload => payload.deref() !== undefined).length;
      assert.equal(alive, 1);
    });
  });
});
