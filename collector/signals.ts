// What the signals and their items are called in configurations and metrics.
import { Signal, type SignalName } from 'tricord/otlp';

/** How OpenTelemetry's own collector calls the items of a signal in its metric names. */
export const itemNames: Readonly<Record<Signal, string>> = {
  [Signal.traces]: 'spans',
  [Signal.metrics]: 'metric_points',
  [Signal.logs]: 'log_records',
};

export const signalNames: Readonly<Record<Signal, SignalName>> = {
  [Signal.traces]: 'traces',
  [Signal.metrics]: 'metrics',
  [Signal.logs]: 'logs',
};

/** OTLP/gRPC's method for each signal (opentelemetry-proto, `collector/<signal>/v1`). */
export const exportPaths: Readonly<Record<Signal, string>> = {
  [Signal.traces]: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  [Signal.metrics]: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  [Signal.logs]: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
};
