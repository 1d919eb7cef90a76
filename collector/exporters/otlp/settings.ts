// Settings that both OTLP exporters share, under the OpenTelemetry Collector's keys.
import { z } from 'zod';
import type { RetryPolicy } from '../../component.ts';
import { clientTls } from '../../config/tls.ts';
import { bytes, duration, section } from '../../config/values.ts';

/** `retry_on_failure`: unlike there, `max_elapsed_time` defaults to 0: for ever, as the data waits on disk. */
const retryOnFailure: z.ZodType<RetryPolicy | undefined, unknown> = section({
  enabled: z.boolean().default(true),
  initial_interval: duration.prefault('1s'),
  max_interval: duration.prefault('30s'),
  multiplier: z.number().min(1).default(1.5),
  randomization_factor: z.number().min(0).max(1).default(0.5),
  max_elapsed_time: duration.prefault('0'),
}).transform(settings =>
  settings.enabled
    ? {
        initialMs: settings.initial_interval,
        maxMs: settings.max_interval,
        multiplier: settings.multiplier,
        randomization: settings.randomization_factor,
        giveUpAfterMs: settings.max_elapsed_time,
      }
    : undefined,
);

export const sharedSettings = {
  headers: z.record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/), z.string()).default({}),
  tls: clientTls,
  compression: z.enum(['none', 'gzip']).default('none'),
  /** Of one request. */
  timeout: duration.prefault('10s'),
  retry_on_failure: retryOnFailure.prefault({}),
  /** Batches are joined up to this size; a larger one goes alone. OpenTelemetry's own receivers take 4 MiB by default. */
  max_request_size: bytes.prefault('3MiB'),
};

export interface SharedSettings {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: z.output<typeof clientTls>;
  readonly compression: 'none' | 'gzip';
  /** Milliseconds. */
  readonly timeout: number;
  readonly retry_on_failure?: RetryPolicy | undefined;
  /** Bytes. */
  readonly max_request_size: number;
}
