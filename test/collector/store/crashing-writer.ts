// A process for the crash test: stores two batches, flushes after the first, and waits to be killed.
import { createStoreExporter } from '../../../collector/exporters/store/store-exporter.ts';
import { Log } from '../../../collector/log.ts';
import { SelfTelemetry } from '../../../collector/self-telemetry.ts';
import type { DuckStore } from '../../../collector/store/duck-store.ts';
import { spanBatch, spanId, testSettings, traceId } from './fixtures.ts';

const exporter = await createStoreExporter(
  { ...testSettings, path: process.argv[2] },
  { dataDir: process.argv[2]!, telemetry: new SelfTelemetry(), log: new Log(() => {}) },
);
const span = (number: number) => ({
  traceId: traceId(number),
  spanId: spanId(number),
  name: `span ${number}`,
  start: Date.now(),
});
await exporter.export([spanBatch('shop', [span(1)])]);
await (exporter.store as DuckStore).flush();
await exporter.export([spanBatch('shop', [span(2)])]);
process.stdout.write('stored\n');
setInterval(() => {}, 1000);
