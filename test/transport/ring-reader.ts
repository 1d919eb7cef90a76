// The reading thread of the ring's test: sleeps as the transport thread does, and checks every byte.
import { parentPort, workerData } from 'node:worker_threads';
import { ConsumerState, Control, Word } from '../../src/transport/control.ts';
import { RingConsumer } from '../../src/transport/ring.ts';

const { memory, frames } = workerData as { memory: SharedArrayBuffer; frames: number };
const ring = new RingConsumer(memory);
const { words } = new Control(memory);
let seen = 0;
let faults = 0;

function check(): void {
  if (ring.kind === undefined) return;
  const payload = Buffer.from(ring.bytes.buffer, ring.bytes.byteOffset + ring.start, ring.end - ring.start);
  const filling = payload.subarray(5);
  const right = payload.readUInt32LE(1) === seen && filling.length === (seen * 7919) % 3000;
  if (!right || !filling.every(byte => byte === (seen & 0xff))) faults++;
  seen++;
}

while (seen < frames) {
  while (ring.next()) {
    check();
    if (seen % 3 === 0) ring.release();
  }
  ring.release();
  Atomics.store(words, Word.consumer, ConsumerState.asleep);
  if (ring.isEmpty() && seen < frames) Atomics.wait(words, Word.consumer, ConsumerState.asleep);
  Atomics.store(words, Word.consumer, ConsumerState.awake);
}
parentPort!.postMessage({ frames: seen, faults });
