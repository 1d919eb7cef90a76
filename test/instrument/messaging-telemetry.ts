// What tests of every messaging client ask of its telemetry.
import { trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../../src/index.ts';
import { hex } from '../decoded-records.ts';
import { type SeenPoint, type SeenSpan, Telemetry } from './telemetry.ts';

const metricNames = {
  operation: 'messaging.client.operation.duration',
  process: 'messaging.process.duration',
  sent: 'messaging.client.sent.messages',
  consumed: 'messaging.client.consumed.messages',
} as const;

export class MessagingTelemetry extends Telemetry {
  /** The span of this name, once it has ended. */
  async span(name: string): Promise<SeenSpan> {
    for (let count = 1; ; count++) {
      const found = (await this.until(count)).find(span => span.name === name);
      if (found !== undefined) return found;
    }
  }

  get names(): string[] {
    return this.spans.map(({ name }) => name);
  }

  /** The point of the metric with this operation and destination, and with this error if there is to be one. */
  point(
    metric: keyof typeof metricNames,
    [operation, destination]: readonly [string, string?],
    error?: string,
  ): SeenPoint | undefined {
    return this.points(metricNames[metric]).find(
      ({ attributes }) =>
        attributes['messaging.operation.name'] === operation &&
        attributes['messaging.destination.name'] === destination &&
        attributes['error.type'] === error,
    );
  }
}

/** The spans that this one is linked to. */
export const linksOf = ({ span }: SeenSpan): string[] => (span.links ?? []).map(({ spanId }) => hex(spanId));

/** Runs what is given in a trace that is not sampled. */
export function unsampled<Result>(run: () => Result): Result {
  const parent = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 0 };
  return ObservabilityContext.from(trace.setSpanContext(ObservabilityContext.root, parent)).run(run);
}
