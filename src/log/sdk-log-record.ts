// Emits a log record that the stock OpenTelemetry SDK has made.
import type { AnyValue, HrTime, LogRecord, SpanContext } from '@opentelemetry/api';
import { SpanIdentity } from '../context/identity.ts';
import { ObservabilityContext } from '../context/observability-context.ts';
import type { Logger } from './logger.ts';

/** What is read of a `ReadableLogRecord`: the same in the SDK's majors. */
export interface SdkLogRecord {
  readonly hrTime: HrTime;
  readonly hrTimeObserved: HrTime;
  readonly spanContext?: SpanContext | undefined;
  readonly severityText?: string | undefined;
  readonly severityNumber?: number | undefined;
  readonly body?: AnyValue | undefined;
  readonly eventName?: string | undefined;
  readonly attributes: NonNullable<LogRecord['attributes']>;
  readonly droppedAttributesCount: number;
}

export function emitSdkLogRecord(logger: Logger, record: SdkLogRecord): void {
  const { hrTime, hrTimeObserved, severityText, severityNumber, body, eventName, attributes } = record;
  const identity = record.spanContext && SpanIdentity.from(record.spanContext);
  logger.emit(
    {
      timestamp: hrTime,
      observedTimestamp: hrTimeObserved,
      attributes,
      context: ObservabilityContext.root.withIdentity(identity),
      ...(severityText !== undefined && { severityText }),
      ...(severityNumber !== undefined && { severityNumber }),
      ...(body !== undefined && { body }),
      ...(eventName !== undefined && { eventName }),
    },
    record.droppedAttributesCount,
  );
}
