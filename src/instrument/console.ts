// Makes log records of what the application writes to the console, whose output stays as it is.
import { format } from 'node:util';
import { type LogRecord, logs, SeverityNumber } from '@opentelemetry/api';
import { isCapturingLogs } from '../index.ts';
import { listen } from './channel.ts';
import { isLibraryLine, observeConsole } from './log-capture.ts';

/** Node has a channel for each of these methods; the others of the console write by way of them. */
const severities: Readonly<Record<string, SeverityNumber>> = {
  debug: SeverityNumber.DEBUG,
  log: SeverityNumber.INFO,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
};

/** What `console.trace` hands to `console.error`: its message under this name, and where it was called. */
const TRACE = /^Trace(?:: [\s\S]*)?\n {4}at /;

/** Does nothing where lines are only to be correlated: the console has no place for IDs. */
export function instrumentConsole(): void {
  if (!isCapturingLogs()) return;
  observeConsole();
  const logger = logs.getLogger('console');
  /** Formatting calls the application's code, and whoever takes the record may write to the console too. */
  let busy = false;
  for (const [method, severityNumber] of Object.entries(severities)) {
    listen<readonly unknown[]>(`console.${method}`, given => {
      if (busy || isLibraryLine(given)) return;
      busy = true;
      try {
        logger.emit(recordOf(method, severityNumber, given));
      } catch {
        // What cannot be formatted: the console throws the same into the application.
      } finally {
        busy = false;
      }
    });
  }
}

function recordOf(method: string, severityNumber: SeverityNumber, given: readonly unknown[]): LogRecord {
  const body = format(...given);
  if (method === 'error' && given.length === 1 && TRACE.test(body))
    return { body, severityNumber: SeverityNumber.TRACE, severityText: 'trace' };
  const exception = given.find(value => value instanceof Error);
  return { body, severityNumber, severityText: method, ...(exception !== undefined && { exception }) };
}
