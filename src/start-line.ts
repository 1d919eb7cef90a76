// What the agent says of itself at the start when it is asked to.
import type { Options } from './options.ts';
import type { AttributeList } from './transport/otlp/record.ts';

/** Version, service, and where which signals go, on one line. */
export function startLine(options: Readonly<Options>, resource: AttributeList): string {
  const attribute = (key: string): string => String(resource.values[resource.keys.indexOf(key)] ?? '?');
  const { tracesExporter, metricsExporter, logsExporter, protocol, endpoint } = options;
  const exporters = { traces: tracesExporter, metrics: metricsExporter, logs: logsExporter };
  const sent = Object.entries(exporters).flatMap(([signal, exporter]) =>
    exporter.startsWith('otlp') ? [signal] : [],
  );
  const service = JSON.stringify(attribute('service.name'));
  return (
    `doctor: tricord ${attribute('telemetry.sdk.version')} on Node.js ${process.versions.node}, service ${service}; ` +
    `${sent.join(', ') || 'nothing'} by ${protocol} to ${endpoint}`
  );
}
