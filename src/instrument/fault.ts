// Keeps faults of the instrumentation away from the application: each kind is told once, on stderr, and no more.
import { TricordError } from '../index.ts';

const told = new Set<string>();
let silent = false;

/** Nothing is told from here on: whoever runs the application asked for that. */
export function beSilent(): void {
  silent = true;
}

/** Writes one line to stderr, unless it has been written before. Never throws. */
export function tell(line: string): void {
  if (silent || told.has(line)) return;
  told.add(line);
  try {
    process.stderr.write(`tricord: ${line}\n`);
  } catch {
    // A closed stderr: there is nobody left to tell.
  }
}

/** Tells what failed and why; once for each `what`, however often and for whatever reasons it fails. Never throws. */
export function reportFault(what: string, error: unknown): void {
  if (told.has(what)) return;
  told.add(what);
  tell(`${what} failed: ${reasonOf(error).replace(/\s*\n\s*/g, ' | ')}`);
}

/** What `work` gives; undefined when it fails, which is told as {@link reportFault} does. Never throws. */
export function attempt<T>(what: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    reportFault(what, error);
    return undefined;
  }
}

/** What `observe` does within a call of the application: what it throws is told, and the call goes on without it. */
export function unnoticed<Result>(what: string, observe: () => Result): Result | undefined {
  try {
    return observe();
  } catch (error) {
    reportFault(`the instrumentation of ${what}`, error);
    return undefined;
  }
}

/** The message of an error that somebody made on purpose, the stack of one that nobody expected. */
function reasonOf(error: unknown): string {
  try {
    if (error instanceof TricordError) return error.message;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  } catch {
    return 'an error that cannot be read';
  }
}
