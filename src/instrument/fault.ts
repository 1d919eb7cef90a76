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

/**
 * What `work` gives, which observes an application in a call of its own; undefined when it fails, which is told as
 * {@link reportFault} does, so that the call goes on without it. Never throws.
 * @param observed as the line on stderr names it
 */
export function attempt<T>(observed: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    reportFault(`the instrumentation of ${observed}`, error);
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
