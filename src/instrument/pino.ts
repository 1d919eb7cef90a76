// Correlates pino's lines with the active span, and hands the very same lines to the log path.
import type { Context } from '@opentelemetry/api';
import { logs } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { reportFault } from './fault.ts';
import { captured } from './log-capture.ts';
import { onPackageLoad } from './module-hooks.ts';

/** The names under which a pino logger writes what a log record has fields for. */
interface LineKeys {
  readonly level: string;
  readonly time: string;
  readonly message: string;
  readonly error?: string | undefined;
  readonly nested?: string | undefined;
  readonly levels?: Readonly<Record<string, string>> | undefined;
}

/** How a line begins: texts, one after the other. */
interface LineHead {
  readonly level: string;
  readonly time: string;
  readonly context: string;
  readonly bindings: string;
}

/** The logger of this agent; loggers of others have no `emitJsonLine`, and then lines are correlated only. */
interface LineLogger {
  emitJsonLine?(line: string, context: Context, keys: LineKeys | undefined, head: LineHead | undefined): void;
}

/** A logger as its prototype's methods see it: its parts stand under symbols. */
type PinoLogger = Record<symbol, unknown>;

type AsJson = (this: PinoLogger, merged: object, message: unknown, level: number, time: string) => string;

/** What any version of pino from 8 on exports. */
export interface Pino {
  (options: { level: string }, stream: { write(line: string): void }): object;
  readonly symbols: Readonly<Record<string, symbol>>;
}

/** Each level as the text that lines of it begin with. */
type LevelTexts = Readonly<Record<number, string>>;

interface Hooks {
  readonly streamWrite?: (line: string) => string;
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

/**
 * `asJson` is where a line is complete and nothing has been written: serializers, formatters and redaction are done. It
 * puts the text of the time behind that of the level, and the IDs go with it:
 *
 *     {"level":30 │ ,"time":1700000000000 │ ,"trace_id":"…" │ ,"pid":7,"hostname":"h" │ ,"order":3,"msg":"placed"}
 *       level         time                  context           bindings
 */
function correlated(asJson: AsJson, symbols: Readonly<Record<string, symbol>>): AsJson {
  const logger: LineLogger = captured(logs.getLogger('pino') as LineLogger);
  const lines = new LineSender(logger, symbols);
  return function (merged, message, level, time) {
    const context = ObservabilityContext.active();
    const members = membersOf(context);
    const line = asJson.call(this, merged, message, level, time + members);
    if (logger.emitJsonLine !== undefined) lines.send(this, line, context, level, time, members);
    return line;
  };
}

let lastIdentity: ObservabilityContext['identity'];
let lastMembers = '';

/** The IDs as a line carries them; nothing when there is no span. Lines of one span share the text. */
function membersOf({ identity }: ObservabilityContext): string {
  if (identity === undefined) return '';
  if (identity !== lastIdentity) {
    lastMembers = identity.jsonMembers();
    lastIdentity = identity;
  }
  return lastMembers;
}

class LineSender {
  readonly #logger: LineLogger;
  readonly #keys: LoggerKeys;
  readonly #hooks: symbol | undefined;
  readonly #levels: symbol;
  readonly #bindings: symbol;
  /** Filled for each line, and read before the next one. */
  readonly #head = { level: '', time: '', context: '', bindings: '' };

  constructor(logger: LineLogger, symbols: Readonly<Record<string, symbol>>) {
    this.#logger = logger;
    this.#keys = new LoggerKeys(symbols);
    this.#hooks = symbols.hooksSym;
    this.#levels = symbols.lsCacheSym!;
    this.#bindings = symbols.chindingsSym!;
  }

  /** Never throws. */
  send(
    from: PinoLogger,
    line: string,
    context: ObservabilityContext,
    level: number,
    time: string,
    members: string,
  ): void {
    try {
      const levels = from[this.#levels] as LevelTexts;
      const keys = this.#keys.of(from, levels, level, time);
      const hooks = this.#hooks && (from[this.#hooks] as Hooks | undefined);
      if (hooks?.streamWrite === undefined) {
        const head = this.#head;
        head.level = levels[level]!;
        head.time = time;
        head.context = members;
        head.bindings = from[this.#bindings] as string;
        this.#logger.emitJsonLine?.(line, context, keys, head);
      } else {
        // What an application removes from its lines on their way out must not leave by our way either.
        this.#logger.emitJsonLine?.(hooks.streamWrite(line), context, keys, undefined);
      }
    } catch (error) {
      reportFault('the instrumentation of pino', error);
    }
  }
}

/** Knows how each logger names its keys, from its options and from what it wrote first. */
class LoggerKeys {
  readonly #symbols: Readonly<Record<string, symbol>>;
  /** By the cache of rendered levels, which a root logger and its children share. Undefined: named as pino names them. */
  readonly #byLevels = new WeakMap<LevelTexts, LineKeys | undefined>();
  /** Equal names are one object, however many loggers there are. */
  readonly #distinct = new Map<string, LineKeys | undefined>([
    ['{"level":"level","time":"time","message":"msg"}', undefined],
  ]);
  /** Of the last line: most are of the same logger, or of its children. */
  #levels: LevelTexts | undefined;
  #keys: LineKeys | undefined;

  constructor(symbols: Readonly<Record<string, symbol>>) {
    this.#symbols = symbols;
  }

  of(logger: PinoLogger, levels: LevelTexts, level: number, time: string): LineKeys | undefined {
    if (levels !== this.#levels) {
      this.#keys = this.#byLevels.has(levels)
        ? this.#byLevels.get(levels)
        : this.#learn(logger, levels, level, time);
      this.#levels = levels;
    }
    return this.#keys;
  }

  #learn(logger: PinoLogger, levels: LevelTexts, level: number, time: string): LineKeys | undefined {
    const error = this.#option(logger, 'errorKeySym');
    const keys = {
      level: firstKey(levels[level] ?? '') ?? 'level',
      time: firstKey(time) ?? 'time',
      message: this.#option(logger, 'messageKeySym') ?? 'msg',
      error: error === 'err' || error === 'error' ? undefined : error,
      nested: this.#option(logger, 'nestedKeySym'),
      levels: namesOfLevels(logger),
    };
    const names = JSON.stringify(keys);
    if (!this.#distinct.has(names)) this.#distinct.set(names, keys);
    const distinct = this.#distinct.get(names);
    this.#byLevels.set(levels, distinct);
    return distinct;
  }

  #option(logger: PinoLogger, name: string): string | undefined {
    const symbol = this.#symbols[name];
    const value = symbol && logger[symbol];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }
}

const pinoLevels: Readonly<Record<string, string>> = Object.fromEntries(
  ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map((name, i) => [10 * (i + 1), name]),
);

/** Names by number of the levels that are not pino's own; undefined when all are. */
function namesOfLevels(logger: PinoLogger): Readonly<Record<string, string>> | undefined {
  const { labels = {} } = (logger as { levels?: { labels?: Readonly<Record<string, string>> } }).levels ?? {};
  const others = Object.entries(labels).filter(([number, name]) => pinoLevels[number] !== name);
  return others.length === 0 ? undefined : Object.fromEntries(others);
}

/** The first key of a piece of JSON such as `{"level":30` or `,"time":1`. */
function firstKey(json: string): string | undefined {
  return /^[{,]"([^"\\]+)":/.exec(json)?.[1];
}
