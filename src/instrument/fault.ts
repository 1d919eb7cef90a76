// Keeps faults of the instrumentation away from the application: each kind is told once, on stderr, and no more.

const told = new Set<string>();

/** Says on one line of stderr what failed and why; once for each `what`, however often it fails. Never throws. */
export function reportFault(what: string, error: unknown): void {
  if (told.has(what)) return;
  told.add(what);
  try {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`tricord: ${what} failed: ${reason.replace(/\s*\n\s*/g, ' | ')}\n`);
  } catch {
    // A closed stderr, an error whose getters throw: there is nobody left to tell.
  }
}
