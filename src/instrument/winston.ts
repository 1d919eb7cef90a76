// Correlates what winston's loggers write with the active span, and makes one log record of each.
import type { Logger } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api';
import { isCapturingLogs, ObservabilityContext } from '../index.ts';
import { reportFault } from './fault.ts';
import { asLibrary } from './log-capture.ts';
import { onPackageLoad } from './module-hooks.ts';
import { errorIn, type Info, isInfo, LEVEL, recordOf } from './winston-record.ts';
import { type Levels, severityOf } from './winston-severity.ts';

interface WinstonLogger {
  readonly levels: Levels;
  isLevelEnabled(level: string): boolean;
}

type Done = (error?: Error | null) => void;

/** A stream of infos, as far as it is observed: an info is written, formatted in `_transform`, and pushed to the transports. */
interface LoggerPrototype {
  write(this: WinstonLogger, info: unknown, encoding?: unknown, done?: unknown): boolean;
  _transform(this: WinstonLogger, info: unknown, encoding: string, done: Done): void;
  push(this: WinstonLogger, formatted: unknown, encoding?: string): boolean;
}

interface TransportPrototype {
  _write(info: unknown, encoding: string, done: Done): void;
  _writev(infos: unknown, done: Done): void;
}

/** What winston 3 exports, as far as it is used here. */
interface Winston {
  readonly Logger: { readonly prototype: LoggerPrototype };
  readonly Transport: { readonly prototype: TransportPrototype };
}

/** One that is being formatted. */
interface Formatting {
  readonly context: ObservabilityContext;
  /** The error in it before formats have made text of it. */
  readonly error: Error | undefined;
}

const PATCHED = Symbol.for('tricord.winston');

/** Instruments every copy of winston 3 as it is loaded. */
export function instrumentWinston(): void {
  onPackageLoad('winston', exports => {
    const { Logger, Transport } = exports as Partial<Winston>;
    if (typeof Logger?.prototype?._transform !== 'function' || Transport === undefined) return false;
    if (!Object.hasOwn(Logger.prototype, PATCHED)) {
      define(Logger.prototype, PATCHED, true);
      patchLogger(Logger.prototype);
      patchTransport(Transport.prototype);
    }
    return true;
  });
}

/**
 * `write` is called in the context of whoever logs; formats run at once or, when transports are slow, later. What they leave
 * is what the transports get, however many there are, and what the record is made of.
 */
function patchLogger(prototype: LoggerPrototype): void {
  if (!isCapturingLogs()) return correlateOnly(prototype);
  const { write, _transform: transform, push } = prototype;
  const logger = logs.getLogger('winston');
  const written = new WrittenInfos();
  let formatting: Formatting | undefined;

  define(prototype, 'write', function (this: WinstonLogger, info: unknown, encoding: unknown, done: unknown) {
    const outer = written.begin(info);
    try {
      return write.call(this, info, encoding, done);
    } finally {
      written.end(outer);
    }
  });
  define(
    prototype,
    '_transform',
    function (this: WinstonLogger, info: unknown, encoding: string, done: Done) {
      const outer = formatting;
      formatting = { context: written.take(info), error: errorIn(info) };
      try {
        transform.call(this, info, encoding, done);
      } finally {
        formatting = outer;
      }
    },
  );
  define(prototype, 'push', function (this: WinstonLogger, formatted: unknown, encoding: string) {
    const from = formatting;
    formatting = undefined;
    if (from !== undefined && isInfo(formatted)) send(logger, this, formatted, from);
    return push.call(this, formatted, encoding);
  });
}

function correlateOnly(prototype: LoggerPrototype): void {
  const { write } = prototype;
  define(prototype, 'write', function (this: WinstonLogger, info: unknown, encoding: unknown, done: unknown) {
    correlate(info, ObservabilityContext.active());
    return write.call(this, info, encoding, done);
  });
}

/** What transports write through the console is no output of the application's own. */
function patchTransport(prototype: TransportPrototype): void {
  for (const name of ['_write', '_writev'] as const) {
    const method = prototype[name] as (...given: unknown[]) => void;
    define(prototype, name, asLibrary(method));
  }
}

function define(prototype: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: false });
}

/** Never throws. */
function send(logger: Logger, from: WinstonLogger, info: Info, { context, error }: Formatting): void {
  try {
    const level = String(info[LEVEL]);
    if (from.isLevelEnabled(level))
      logger.emit(recordOf(info, level, severityOf(level, from.levels), context, error));
  } catch (fault) {
    reportFault('the instrumentation of winston', fault);
  }
}

interface Written {
  readonly info: unknown;
  readonly context: ObservabilityContext;
}

/** The contexts in which infos were written, until they are formatted: mostly before `write` returns. */
class WrittenInfos {
  #last: Written | undefined;
  readonly #waiting = new WeakMap<object, ObservabilityContext>();

  /** Puts the IDs of the active span into an info; give what it returns to {@link end}. */
  begin(info: unknown): Written | undefined {
    const outer = this.#last;
    const context = ObservabilityContext.active();
    this.#last = { info, context };
    correlate(info, context);
    return outer;
  }

  /** What is not formatted by now waits for its transports. */
  end(outer: Written | undefined): void {
    const last = this.#last;
    if (last !== undefined && isInfo(last.info)) this.#waiting.set(last.info, last.context);
    this.#last = outer;
  }

  take(info: unknown): ObservabilityContext {
    const last = this.#last;
    if (last !== undefined && last.info === info) {
      this.#last = undefined;
      return last.context;
    }
    return (isInfo(info) && this.#waiting.get(info)) || ObservabilityContext.active();
  }
}

function correlate(info: unknown, { identity }: ObservabilityContext): void {
  if (identity === undefined || !isInfo(info)) return;
  try {
    info.trace_id = identity.traceId;
    info.span_id = identity.spanId;
    info.trace_flags = identity.traceFlags.toString(16).padStart(2, '0');
  } catch {
    // What is frozen is written as it is.
  }
}
