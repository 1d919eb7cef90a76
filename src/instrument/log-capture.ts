// Which lines of the application's become log records, and that none becomes two of them.
import { isCapturingLogs } from '../index.ts';

/** The console's own output while a library writes its lines through it: they are records already. */
let depth = 0;
/** What a library has rendered last, while the console is observed; who writes it there writes the same text. */
let lastLine = '';
let consoleIsObserved = false;

/** A logger that takes lines as text; its other arguments are its own affair. */
interface LineTaker<Arguments extends readonly unknown[]> {
  emitJsonLine?(line: string, ...others: Arguments): void;
}

/** From now on what libraries write through the console is told apart from what the application writes there. */
export function observeConsole(): void {
  consoleIsObserved = true;
}

/**
 * The logger to which a library's lines are sent: the one that is given; one that takes none, when lines are only to be
 * correlated; while the console is observed, one that remembers its lines.
 */
export function captured<Arguments extends readonly unknown[]>(
  logger: LineTaker<Arguments>,
): LineTaker<Arguments> {
  if (!isCapturingLogs()) return {};
  if (!consoleIsObserved || logger.emitJsonLine === undefined) return logger;
  return {
    emitJsonLine(line, ...others) {
      lastLine = line;
      logger.emitJsonLine?.(line, ...others);
    },
  };
}

/** The same method, whose output through the console is a library's. */
export function asLibrary<This, Arguments extends readonly unknown[], Result>(
  method: (this: This, ...given: Arguments) => Result,
): (this: This, ...given: Arguments) => Result {
  if (!consoleIsObserved) return method;
  return function (...given) {
    depth++;
    try {
      return method.apply(this, given as never);
    } finally {
      depth--;
    }
  };
}

/** Whether what is written to the console is a library's line, and a record already. */
export function isLibraryLine(given: readonly unknown[]): boolean {
  if (depth > 0) return true;
  const [text] = given;
  return (
    given.length === 1 && typeof text === 'string' && text !== '' && text.trimEnd() === lastLine.trimEnd()
  );
}
