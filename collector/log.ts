// The collector's own log: one JSON object a line, with pino's level numbers.
import { printable } from './suggestions.ts';

const levels = { debug: 20, info: 30, warn: 40, error: 50 } as const;

export type LogLevel = keyof typeof levels;
export const logLevels: readonly LogLevel[] = Object.keys(levels) as LogLevel[];

export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines at or above a level; `child` adds fields to each of them. */
export class Log {
  readonly #write: (line: string) => void;
  readonly #level: LogLevel;
  readonly #fields: LogFields;

  /** @param write takes one line with its newline */
  constructor(write: (line: string) => void, level: LogLevel = 'info', fields: LogFields = {}) {
    this.#write = write;
    this.#level = level;
    this.#fields = fields;
  }

  child(fields: LogFields): Log {
    return new Log(this.#write, this.#level, { ...this.#fields, ...fields });
  }

  debug(msg: string, fields?: LogFields): void {
    this.log('debug', msg, fields);
  }

  info(msg: string, fields?: LogFields): void {
    this.log('info', msg, fields);
  }

  warn(msg: string, fields?: LogFields): void {
    this.log('warn', msg, fields);
  }

  error(msg: string, fields?: LogFields): void {
    this.log('error', msg, fields);
  }

  log(level: LogLevel, msg: string, fields?: LogFields): void {
    if (levels[level] < levels[this.#level]) return;
    this.#write(logLine(level, msg, { ...this.#fields, ...fields }));
  }
}

/** The line with its newline. Errors become their message; nothing in it can end the line or steer a terminal. */
export function logLine(level: LogLevel, msg: string, fields: LogFields): string {
  const record = { level: levels[level], time: Date.now(), ...fields, msg };
  return `${printable(JSON.stringify(record, (_key, value) => plain(value)))}\n`;
}

function plain(value: unknown): unknown {
  if (value instanceof Error) return value.message;
  return typeof value === 'bigint' ? value.toString() : value;
}
