// Workload: sends OTLP requests of one size as fast as they are acknowledged, over one of three clients.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';
import { report, settings } from '../parent.ts';
import { type SenderClient, type SenderName, senders } from './stream-clients.ts';
import { exportRequest } from './stream-request.ts';

export interface SenderSettings {
  readonly by: SenderName;
  /** `http://host:port`. */
  readonly endpoint: string;
  /** Bytes of one request, about. */
  readonly bytes: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

const TURN_BATCHES = 64;
const ACKNOWLEDGED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;

const { by, endpoint, bytes, warmUpSeconds, seconds } = settings<SenderSettings>();
const request = exportRequest(bytes);

interface Sent {
  readonly batches: number;
  readonly elapsedMs: number;
}

/** Sends for so long, then waits until all of it is acknowledged; that is part of the time. */
async function sendFor(client: SenderClient, durationMs: number): Promise<Sent> {
  const startedMs = performance.now();
  let batches = 0;
  while (performance.now() - startedMs < durationMs) {
    for (let i = 0; i < TURN_BATCHES && client.hasRoom(); i++, batches++) client.send(request);
    await (client.hasRoom() ? immediate() : client.progress());
  }
  const deadlineMs = performance.now() + ACKNOWLEDGED_WITHIN_MS;
  while (!client.isDone()) {
    if (performance.now() > deadlineMs) throw new Error('not every batch was acknowledged');
    await Promise.race([client.progress(), delay(LOOK_EVERY_MS)]);
  }
  return { batches, elapsedMs: performance.now() - startedMs };
}

const client = senders[by](endpoint);
const warmUp = await sendFor(client, warmUpSeconds * 1000);
const cpu = process.cpuUsage();
const { batches, elapsedMs } = await sendFor(client, seconds * 1000);
const { user, system } = process.cpuUsage(cpu);
client.close();
report({
  batchesPerSecond: (batches / elapsedMs) * 1000,
  mbPerSecond: (batches * request.bytes.length) / 1e3 / elapsedMs,
  cpuMicros: (user + system) / batches,
  sent: (warmUp.batches + batches) * request.items,
});
