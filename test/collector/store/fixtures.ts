// What the store's tests have in common: temporary directories, OTLP requests from JSON, a store exporter over them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requestFromJson, Signal } from 'tricord/otlp';
import type { QueuedBatch } from '../../../collector/component.ts';
import {
  createStoreExporter,
  type StoreExporter,
  type StoreSettings,
} from '../../../collector/exporters/store/store-exporter.ts';
import { Log } from '../../../collector/log.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import type { DuckStore } from '../../../collector/store/duck-store.ts';

/** A test's context, or a suite that keeps what it is given until its own `after`. */
export interface Owner {
  after(stop: () => Promise<void>): void;
}

/** What has to stop before the directories of a test go. */
const running = new WeakMap<Owner, (() => Promise<void>)[]>();

/** A directory that is gone after the test, and after the stores in it. */
export async function temporaryDirectory(t: Owner): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tricord-store-'));
  const stops: (() => Promise<void>)[] = [];
  running.set(t, stops);
  t.after(async () => {
    for (const stop of stops) await stop().catch(() => {});
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

export const testSettings: StoreSettings = {
  path: undefined,
  memory: 256 * 2 ** 20,
  threads: 2,
  flush: { interval: 3_600_000, rows: 1_000_000, bytes: 2 ** 30 },
  retention: { age: 7 * 86_400_000, bytes: 2 ** 40 },
  series_max: 10_000,
};

export interface Opened {
  readonly exporter: StoreExporter & { readonly store: DuckStore };
  readonly telemetry: SelfTelemetry;
  readonly logged: string[];
}

export async function openStore(
  t: Owner,
  directory: string,
  changed: Partial<StoreSettings> = {},
): Promise<Opened> {
  const telemetry = new SelfTelemetry();
  const logged: string[] = [];
  const exporter = await createStoreExporter(
    { ...testSettings, ...changed, path: directory },
    { dataDir: directory, telemetry, log: new Log(line => logged.push(line)) },
  );
  running.get(t)!.push(() => exporter.stop());
  return { exporter: exporter as Opened['exporter'], telemetry, logged };
}

let position = 0n;

/** A batch behind all earlier ones; `items` is not looked at by the store. */
export function batchOf(signal: Signal, request: unknown, receivedAt: number = Date.now()): QueuedBatch {
  position += 1n;
  const payload = requestFromJson(signal, JSON.stringify(request));
  return { signal, payload, items: 1, position, receivedAt };
}

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export function keyValues(attributes: Attributes): unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: string | number | boolean): unknown {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: value } : { doubleValue: value };
}

export interface SpanSketch {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind?: number;
  /** Milliseconds since the Unix epoch. */
  readonly start: number;
  /** Milliseconds. */
  readonly duration?: number;
  readonly status?: { code: number; message?: string };
  readonly attributes?: Attributes;
}

function spansRequest(service: string, spans: readonly SpanSketch[], resource: Attributes = {}): unknown {
  return {
    resourceSpans: [
      {
        resource: { attributes: keyValues({ 'service.name': service, ...resource }) },
        scopeSpans: [
          {
            scope: { name: 'test' },
            spans: spans.map(({ start, duration = 1, attributes = {}, ...span }) => ({
              ...span,
              startTimeUnixNano: nanos(start),
              endTimeUnixNano: nanos(start + duration),
              attributes: keyValues(attributes),
            })),
          },
        ],
      },
    ],
  };
}

export function nanos(millis: number): string {
  return (BigInt(Math.round(millis * 1000)) * 1000n).toString();
}

export function spanBatch(service: string, spans: readonly SpanSketch[], receivedAt?: number): QueuedBatch {
  return batchOf(Signal.traces, spansRequest(service, spans), receivedAt);
}

export function metricsBatch(
  metrics: readonly unknown[],
  resource: Attributes = { 'service.name': 'shop' },
  receivedAt?: number,
): QueuedBatch {
  const request = {
    resourceMetrics: [{ resource: { attributes: keyValues(resource) }, scopeMetrics: [{ metrics }] }],
  };
  return batchOf(Signal.metrics, request, receivedAt);
}

export function logsBatch(
  logRecords: readonly unknown[],
  resource: Attributes = { 'service.name': 'shop' },
  receivedAt?: number,
): QueuedBatch {
  const request = {
    resourceLogs: [
      { resource: { attributes: keyValues(resource) }, scopeLogs: [{ scope: { name: 'pino' }, logRecords }] },
    ],
  };
  return batchOf(Signal.logs, request, receivedAt);
}

/** A trace ID of 32 digits, a span ID of 16, from a number. */
export const traceId = (number: number): string => number.toString(16).padStart(32, '0');
export const spanId = (number: number): string => number.toString(16).padStart(16, '0');

/** Everything that could have been stored by a test. */
export const always = { start: 0, end: 4e12 };
export const alwaysExactly = { start: 0n, end: 2n ** 62n };
