// Which instruments report what was measured since the last collection, and which all that was ever measured.
import { AggregationTemporality } from '../transport/otlp/metrics.ts';
import type { InstrumentKind } from './descriptor.ts';

/** What the receiver of the metrics prefers (`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`). */
export type TemporalityPreference = 'cumulative' | 'delta' | 'lowmemory';

/** By OTLP metrics exporter, "Additional Environment Variable Configuration"; what goes up and down is always cumulative. */
const deltaKinds: Readonly<Record<TemporalityPreference, readonly InstrumentKind[]>> = {
  cumulative: [],
  delta: ['counter', 'histogram', 'observable_counter'],
  lowmemory: ['counter', 'histogram'],
};

export function temporalityOf(
  kind: InstrumentKind,
  preference: TemporalityPreference,
): AggregationTemporality {
  return deltaKinds[preference].includes(kind)
    ? AggregationTemporality.delta
    : AggregationTemporality.cumulative;
}
