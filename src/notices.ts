// What the agent says to whoever runs the application: lines on stderr, the same one once a minute at the most.
import { type DiagLogger, DiagLogLevel } from '@opentelemetry/api';
import type { LogLevel } from './options.ts';

/** How long a line is not said again. */
const QUIET_MS = 60_000;
/** Lines that are remembered; more different ones than that push the oldest out. */
const REMEMBERED_MAX = 200;

interface Said {
  readonly at: number;
  /** How often it has come again since, unsaid. */
  readonly unsaid: number;
}

/** Says lines, and counts those that it leaves out: the next that is the same tells how many they were. Never throws. */
export class Notices {
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  /** By line, the one that was said longest ago first. */
  readonly #said = new Map<string, Said>();

  /** @param now milliseconds that only grow */
  constructor(write: (text: string) => void, now: () => number = () => performance.now()) {
    this.#write = write;
    this.#now = now;
  }

  say(text: string): void {
    const line = text.replace(/\s*\n\s*/g, ' | ');
    const now = this.#now();
    const before = this.#said.get(line);
    if (before !== undefined && now - before.at < QUIET_MS) {
      this.#said.set(line, { at: before.at, unsaid: before.unsaid + 1 });
      return;
    }
    this.#said.delete(line);
    if (this.#said.size >= REMEMBERED_MAX) this.#said.delete(this.#said.keys().next().value!);
    this.#said.set(line, { at: now, unsaid: 0 });
    const more = before === undefined || before.unsaid === 0 ? '' : ` (and ${before.unsaid} more like this)`;
    try {
      this.#write(`tricord: ${line}${more}\n`);
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
