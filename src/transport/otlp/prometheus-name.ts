// Names in Prometheus: of metrics, with unit and kind as suffixes, and of labels.

/** UCUM units and the words that Prometheus has for them. */
const unitWords: ReadonlyMap<string, string> = new Map([
  ['d', 'days'],
  ['h', 'hours'],
  ['min', 'minutes'],
  ['s', 'seconds'],
  ['ms', 'milliseconds'],
  ['us', 'microseconds'],
  ['ns', 'nanoseconds'],
  ['By', 'bytes'],
  ['KiBy', 'kibibytes'],
  ['MiBy', 'mebibytes'],
  ['GiBy', 'gibibytes'],
  ['TiBy', 'tibibytes'],
  ['KBy', 'kilobytes'],
  ['MBy', 'megabytes'],
  ['GBy', 'gigabytes'],
  ['TBy', 'terabytes'],
  ['m', 'meters'],
  ['V', 'volts'],
  ['A', 'amperes'],
  ['J', 'joules'],
  ['W', 'watts'],
  ['g', 'grams'],
  ['Cel', 'celsius'],
  ['Hz', 'hertz'],
  ['1', ''],
  ['%', 'percent'],
]);

const perWords: ReadonlyMap<string, string> = new Map([
  ['s', 'second'],
  ['m', 'minute'],
  ['h', 'hour'],
  ['d', 'day'],
  ['w', 'week'],
  ['mo', 'month'],
  ['y', 'year'],
]);

export type MetricKind = 'counter' | 'gauge' | 'histogram' | 'summary';

/**
 * The name by OpenTelemetry's "Prometheus and OpenMetrics compatibility", with suffixes, as Prometheus 3 translates by
 * default: `http.server.request.duration` in `s` → `http_server_request_duration_seconds`.
 */
export function metricName(name: string, unit: string, kind: MetricKind): string {
  const words = name.split(/[^a-zA-Z0-9:]+/).filter(word => word !== '');
  const ratio = unit === '1' && kind === 'gauge';
  for (const suffix of ['total', 'ratio']) {
    if ((suffix === 'total' ? kind === 'counter' : ratio) && words.at(-1) === suffix) words.pop();
  }
  for (const word of unitSuffixes(unit)) if (!words.includes(word)) words.push(word);
  if (kind === 'counter') words.push('total');
  if (ratio) words.push('ratio');
  const joined = words.join('_');
  return joined === '' || /^\d/.test(joined) ? `_${joined}` : joined;
}

/** The unit in words: `m/s` → meters, per_second. Annotations in braces are no units. */
function unitSuffixes(unit: string): string[] {
  const [main = '', per = ''] = unit.split('/', 2);
  const words: string[] = [];
  const mainWord = unitWord(main, unitWords);
  if (mainWord !== '') words.push(mainWord);
  const perWord = unitWord(per, perWords);
  if (perWord !== '') words.push(`per_${perWord}`);
  return words;
}

function unitWord(unit: string, words: ReadonlyMap<string, string>): string {
  const text = unit.trim();
  if (/[{}]/.test(text)) return '';
  return words.get(text) ?? text.replace(/[^a-zA-Z0-9]+/g, '_').replace(/^_+|_+$/g, '');
}

/**
 * An attribute's key as a label name: `_` for what a label name cannot have, `key_` before a digit, and before `__name__`,
 * which no attribute may be (Prometheus' rules for OTLP).
 */
export function labelName(key: string): string {
  const name = key.replace(/[^a-zA-Z0-9_]/g, '_');
  return name === '' || name === '__name__' || /^\d/.test(name) ? `key_${name}` : name;
}
