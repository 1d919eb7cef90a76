// A LoggerProvider behind the OpenTelemetry API, and what it has emitted, decoded.
import { type Logger, type LogRecord, logs } from '@opentelemetry/api';
import type { DecodedLogRecord } from 'tricord/otlp';
import { processClock } from '../../../src/context/clock.ts';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { LoggerProvider, type LoggerProviderOptions } from '../../../src/log/logger-provider.ts';
import { logRecordsIn } from '../../decoded-records.ts';
import { MemorySink } from '../../memory-sink.ts';

export interface Logged {
  readonly provider: LoggerProvider;
  readonly sink: MemorySink;
  readonly logger: Logger;
  /** Emits one record, and gives it as it arrives. */
  emit(record: LogRecord): DecodedLogRecord;
}

/** For `context.setGlobalContextManager`: the API takes one for the life of a process. */
export const contexts: ContextManager = new ContextManager().enable();

/** Takes the place of the global LoggerProvider. */
export function logged(limits: LoggerProviderOptions['limits'] = {}): Logged {
  const sink = new MemorySink(processClock.anchorUnixNanos);
  const provider = new LoggerProvider({ sink, limits });
  logs.disable();
  logs.setGlobalLoggerProvider(provider);
  const logger = logs.getLogger('conformance', '1.0');
  const emit = (record: LogRecord): DecodedLogRecord => {
    sink.frames.length = 0;
    logger.emit(record);
    return logRecordsIn(sink)[0]!;
  };
  return { provider, sink, logger, emit };
}
