// What severities are called and which numbers they have, in OpenTelemetry and in pino.

/** Severity numbers of OpenTelemetry's log data model at the start of each range. */
export const Severity = {
  unspecified: 0,
  trace: 1,
  debug: 5,
  info: 9,
  warn: 13,
  error: 17,
  fatal: 21,
} as const;

const names: ReadonlyMap<string, number> = new Map<string, number>([
  ['trace', Severity.trace],
  ['verbose', Severity.trace],
  ['silly', Severity.trace],
  ['debug', Severity.debug],
  ['info', Severity.info],
  ['information', Severity.info],
  ['notice', Severity.info],
  ['warn', Severity.warn],
  ['warning', Severity.warn],
  ['error', Severity.error],
  ['err', Severity.error],
  ['critical', Severity.fatal],
  ['fatal', Severity.fatal],
  ['alert', Severity.fatal],
  ['emerg', Severity.fatal],
]);

/** The severity number of a level's name, whatever its case; 0 for a name that is not known. */
export function severityOfName(name: string): number {
  return names.get(name) ?? names.get(name.toLowerCase()) ?? Severity.unspecified;
}

/** Level n of pino is n / 10: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal. */
const pinoNumbers = [
  Severity.trace,
  Severity.trace,
  Severity.debug,
  Severity.info,
  Severity.warn,
  Severity.error,
  Severity.fatal,
];
const pinoTexts = ['trace', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** The severity number of a pino level; one between two of pino's own counts as the lower. */
export function severityOfLevel(level: number): number {
  return pinoNumbers[pinoIndex(level)]!;
}

export function textOfLevel(level: number): string {
  return pinoTexts[pinoIndex(level)]!;
}

function pinoIndex(level: number): number {
  return Math.min(Math.max(Math.floor(level / 10), 0), pinoNumbers.length - 1);
}
