// What the agent says to whoever runs the application: lines on stderr, the same one once a minute at the most.
import { type DiagLogger, DiagLogLevel } from '@opentelemetry/api';
import { MessageLimit } from './context/message-limit.ts';
import type { LogLevel } from './options.ts';

/** Says lines, the same one seldom. Never throws. */
export class Notices {
  readonly #write: (text: string) => void;
  readonly #limit: MessageLimit;

  /** @param now milliseconds that only grow */
  constructor(write: (text: string) => void, now?: () => number) {
    this.#write = write;
    this.#limit = new MessageLimit(now);
  }

  say(text: string): void {
    const line = this.#limit.pass(text.replace(/\s*\n\s*/g, ' | '));
    if (line === undefined) return;
    try {
      this.#write(`tricord: ${line}\n`);
    } catch {
      // A closed stderr: there is nobody left to tell.
    }
  }
}

const diagLevels: Readonly<Record<LogLevel, DiagLogLevel>> = {
  none: DiagLogLevel.NONE,
  error: DiagLogLevel.ERROR,
  warn: DiagLogLevel.WARN,
  info: DiagLogLevel.INFO,
  debug: DiagLogLevel.DEBUG,
  verbose: DiagLogLevel.VERBOSE,
  all: DiagLogLevel.ALL,
};

/** The level of OpenTelemetry's `diag` that OTEL_LOG_LEVEL names. */
export const diagLevel = (level: LogLevel): DiagLogLevel => diagLevels[level];

/** Takes OpenTelemetry's `diag` messages, those of the agent and of whoever uses the API in this process. */
export function diagLogger(notices: Notices): DiagLogger {
  const at =
    (level: string) =>
    (message: string, ...args: unknown[]): void =>
      notices.say([`[${level}]`, message, ...args.map(shown)].join(' '));
  const [error, warn, info, debug, verbose] = ['error', 'warn', 'info', 'debug', 'verbose'].map(at) as [
    DiagLogger['error'],
    DiagLogger['warn'],
    DiagLogger['info'],
    DiagLogger['debug'],
    DiagLogger['verbose'],
  ];
  return { error, warn, info, debug, verbose };
}

/** What else a message was given, within one line. */
function shown(value: unknown): string {
  try {
    if (value instanceof Error) return value.stack ?? value.message;
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  } catch {
    return '(unreadable)';
  }
}
