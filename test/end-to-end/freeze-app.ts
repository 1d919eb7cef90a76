// An application whose platform freezes it between calls: `node freeze-app.ts URL HOW`; each message is a call, and is answered.
import { Control } from '../../src/transport/control.ts';
import { openDelivery } from '../../src/transport/delivery.ts';
import { askFlush, flushed } from '../../src/transport/flush.ts';
import { allocateRing, RingProducer } from '../../src/transport/ring.ts';
import { put, transportOptions } from '../transport/transport-options.ts';

/** Makes records with these numbers, and flushes within the time when there is one. */
export interface FreezeCall {
  readonly from: number;
  readonly to: number;
  readonly flushMs?: number;
}

const FLUSH_MS = 20_000;

/** A loop on this event loop, with limits of a connection that pass within the test, and lingers that do not. */
const memory = allocateRing(1 << 20);
const producer = new RingProducer(memory, 0n);
const control = new Control(memory);
const delivery = openDelivery(
  {
    ...transportOptions(process.argv[2]!, { tracesLingerMs: 60_000, logsLingerMs: 60_000 }),
    ...{ keepaliveMs: 50, keepaliveTimeoutMs: 300 },
    ...{ memory, definitions: producer.definitions(), held: undefined, packs: 'waiting' },
  },
  () => undefined,
);
void delivery.run();

process.on('message', async ({ from, to, flushMs = FLUSH_MS }: FreezeCall) => {
  for (let id = from; id < to; id++) put(producer, id, 200);
  process.send!(flushMs === 0 ? 'made' : await flushed(control, askFlush(control), flushMs));
});
process.once('disconnect', () => process.exit());
