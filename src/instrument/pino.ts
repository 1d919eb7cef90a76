// Correlates pino's lines with the active span, and hands the very same lines to the log path.
import type { Context } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { reportFault } from './fault.ts';
import { onPackageLoad } from './module-hooks.ts';

/** The names under which a pino logger writes what a log record has fields for. */
interface LineKeys {
  readonly level: string;
  readonly time: string;
  readonly message: string;
}

/** The logger of this agent; loggers of others have no `emitJsonLine`, and then lines are correlated only. */
interface LineLogger {
  emitJsonLine?(line: string, context: Context, keys: LineKeys | undefined): void;
}

/** A logger as its prototype's methods see it: its parts stand under symbols. */
type PinoLogger = Record<symbol, unknown>;

type AsJson = (this: PinoLogger, merged: object, message: unknown, level: number, time: string) => string;

/** What any version of pino from 8 on exports. */
export interface Pino {
  (options: { level: string }, stream: { write(line: string): void }): object;
  readonly symbols: Readonly<Record<string, symbol>>;
}

const PATCHED = Symbol.for('tricord.pino');

/**
 * Makes all loggers of this copy of pino, present and future, write `trace_id`, `span_id` and `trace_flags` into each line
 * that is logged under a span, and sends the lines to the global LoggerProvider. Doing it twice does nothing.
 *
 * For applications that do not use `tricord/register`, or whose pino is bundled so that it is not found.
 */
export function instrumentPino(pino: Pino): void {
  const { asJsonSym } = pino.symbols;
  const prototype = asJsonSym && (loggerPrototype(pino, asJsonSym) as Record<symbol, unknown> | undefined);
  if (!prototype || !asJsonSym) throw new TypeError('this is not pino 8 or later');
  if (prototype[PATCHED] === true) return;
  prototype[PATCHED] = true;
  prototype[asJsonSym] = correlated(prototype[asJsonSym] as AsJson, pino.symbols);
}

/** Instruments every copy of pino as it is loaded. */
export function instrumentLoadedPino(): void {
  onPackageLoad('pino', exports => {
    if (typeof exports !== 'function' || typeof (exports as Partial<Pino>).symbols !== 'object') return false;
    instrumentPino(exports as Pino);
    return true;
  });
}

/** The object that all loggers inherit from and that nobody exports: found behind a logger that writes nowhere. */
function loggerPrototype(pino: Pino, asJson: symbol): object | undefined {
  let object: object | null = pino({ level: 'silent' }, { write() {} });
  while (object !== null && !Object.hasOwn(object, asJson)) object = Object.getPrototypeOf(object);
  return object ?? undefined;
}

/** `asJson` is where a line is complete and nothing has been written: serializers, formatters and redaction are done. */
function correlated(asJson: AsJson, symbols: Readonly<Record<string, symbol>>): AsJson {
  const logger = logs.getLogger('pino') as LineLogger;
  const keys = new LoggerKeys(symbols);
  const { hooksSym } = symbols;
  const send = (from: PinoLogger, line: string, context: Context, level: number, time: string): void => {
    const hooks = hooksSym && (from[hooksSym] as { streamWrite?: (line: string) => string } | undefined);
    // What an application removes from its lines on their way out must not leave by our way either.
    const sent = hooks?.streamWrite === undefined ? line : hooks.streamWrite(line);
    logger.emitJsonLine?.(sent, context, keys.of(from, level, time));
  };
  return function (merged, message, level, time) {
    const plain = asJson.call(this, merged, message, level, time);
    const context = ObservabilityContext.active();
    const line = withTrace(plain, context);
    if (logger.emitJsonLine === undefined) return line;
    try {
      send(this, line, context, level, time);
    } catch (error) {
      reportFault('the instrumentation of pino', error);
    }
    return line;
  };
}

let lastIdentity: ObservabilityContext['identity'];
let lastFields = '';

/** The line with the IDs before its closing brace; unchanged when there is no span. Lines of one span share the text. */
function withTrace(line: string, { identity }: ObservabilityContext): string {
  if (identity === undefined) return line;
  if (identity !== lastIdentity) {
    const flags = (identity.traceFlags & 0xff).toString(16).padStart(2, '0');
    lastFields = `,"trace_id":"${identity.traceId}","span_id":"${identity.spanId}","trace_flags":"${flags}"`;
    lastIdentity = identity;
  }
  const brace = line.lastIndexOf('}');
  if (brace < 0) return line;
  return line.slice(0, brace) + lastFields + line.slice(brace);
}

/** Knows how each logger names its keys, from its options and from what it wrote first. */
class LoggerKeys {
  readonly #symbols: Readonly<Record<string, symbol>>;
  /** By the cache of rendered levels, which a root logger and its children share. Undefined: named as pino names them. */
  readonly #byLevels = new WeakMap<object, LineKeys | undefined>();
  /** Equal names are one object, however many loggers there are. */
  readonly #distinct = new Map<string, LineKeys | undefined>([['["level","time","msg"]', undefined]]);

  constructor(symbols: Readonly<Record<string, symbol>>) {
    this.#symbols = symbols;
  }

  of(logger: PinoLogger, level: number, time: string): LineKeys | undefined {
    const levels = logger[this.#symbols.lsCacheSym!] as Record<number, string>;
    const known = this.#byLevels.get(levels);
    if (known !== undefined || this.#byLevels.has(levels)) return known;
    const keys = {
      level: firstKey(levels[level] ?? '') ?? 'level',
      time: firstKey(time) ?? 'time',
      message: String(logger[this.#symbols.messageKeySym!] ?? 'msg'),
    };
    const names = JSON.stringify(Object.values(keys));
    if (!this.#distinct.has(names)) this.#distinct.set(names, keys);
    const distinct = this.#distinct.get(names);
    this.#byLevels.set(levels, distinct);
    return distinct;
  }
}

/** The first key of a piece of JSON such as `{"level":30` or `,"time":1`. */
function firstKey(json: string): string | undefined {
  return /^[{,]"([^"\\]+)":/.exec(json)?.[1];
}
