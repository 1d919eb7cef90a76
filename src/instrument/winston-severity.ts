// Severity numbers for the names that winston's loggers give to their levels.
import { SeverityNumber } from '@opentelemetry/api';

/** The levels of npm, syslog and cli, and what else levels are called. */
const named: ReadonlyMap<string, SeverityNumber> = new Map([
  ['emerg', SeverityNumber.FATAL3],
  ['alert', SeverityNumber.FATAL2],
  ['crit', SeverityNumber.FATAL],
  ['critical', SeverityNumber.FATAL],
  ['fatal', SeverityNumber.FATAL],
  ['error', SeverityNumber.ERROR],
  ['err', SeverityNumber.ERROR],
  ['warning', SeverityNumber.WARN],
  ['warn', SeverityNumber.WARN],
  ['help', SeverityNumber.INFO3],
  ['notice', SeverityNumber.INFO2],
  ['data', SeverityNumber.INFO2],
  ['info', SeverityNumber.INFO],
  ['http', SeverityNumber.DEBUG3],
  ['verbose', SeverityNumber.DEBUG2],
  ['debug', SeverityNumber.DEBUG],
  ['prompt', SeverityNumber.TRACE4],
  ['input', SeverityNumber.TRACE2],
  ['trace', SeverityNumber.TRACE],
  ['silly', SeverityNumber.TRACE],
]);

/** The levels of a logger by name: the lower the number, the more severe. */
export type Levels = Readonly<Record<string, number>>;

const known = new WeakMap<Levels, Map<string, SeverityNumber>>();

/** By the name; a name that tells nothing by the next less severe level that has a name which does, else the next more severe. */
export function severityOf(level: string, levels: Levels): SeverityNumber {
  const severity = named.get(level);
  if (severity !== undefined) return severity;
  const ranked = known.get(levels) ?? new Map<string, SeverityNumber>();
  known.set(levels, ranked);
  const found = ranked.get(level) ?? severityByRank(levels[level], levels);
  ranked.set(level, found);
  return found;
}

function severityByRank(rank: number | undefined, levels: Levels): SeverityNumber {
  if (rank === undefined) return SeverityNumber.UNSPECIFIED;
  const ranks = Object.entries(levels)
    .filter(([name]) => named.has(name))
    .sort(([, one], [, other]) => one - other);
  const next = ranks.find(([, each]) => each >= rank) ?? ranks.at(-1);
  return next === undefined ? SeverityNumber.UNSPECIFIED : named.get(next[0])!;
}
