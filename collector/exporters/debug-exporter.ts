// The `debug` exporter: a log line for each batch, to see what arrives.
import { z } from 'zod';
import type { QueuedBatch } from '../component.ts';
import { type ExporterFactory, factory } from '../factory.ts';
import { signalNames } from '../signals.ts';

export const debugExporter: ExporterFactory = factory(z.strictObject({}), async (_settings, { log }) => ({
  start: async () => undefined,
  stop: async () => undefined,
  export: async (batches: readonly QueuedBatch[]) => {
    for (const { signal, items, payload, source } of batches) {
      log.info('batch', { signal: signalNames[signal], items, bytes: payload.length, source });
    }
  },
}));
