// The kinds of options: how each is read from a variable, checked and described.

/** One row of the table; {@link Option.parse} turns the variable's text into the value and throws an Error saying what would be right. */
export interface Option<T> {
  readonly env: string;
  readonly default: T;
  readonly doc: string;
  /** What the value is, with its unit and bounds, for people. */
  readonly shape: string;
  readonly parse: (text: string) => T;
  /** Whether a value given in code is acceptable. */
  readonly accepts: (value: unknown) => boolean;
  /** Its value is never shown. */
  readonly secret?: boolean;
}

const isText = (value: unknown): value is string => typeof value === 'string';

export function text(env: string, fallback: string, doc: string, shape = 'text'): Option<string> {
  return { env, default: fallback, doc, shape, parse: value => value, accepts: isText };
}

type FlagWords = Readonly<Record<string, boolean>>;
const flagWords: FlagWords = { true: true, false: false };
export const switchWords: FlagWords = { ...flagWords, on: true, off: false };
export const numberWords: FlagWords = { 1: true, 0: false, ...switchWords };

/** @param words what the variable's text may be; the specification knows only `true` and `false` */
export function flag(
  env: string,
  fallback: boolean,
  doc: string,
  words: FlagWords = flagWords,
): Option<boolean> {
  const shape = Object.keys(words)
    .join(', ')
    .replace(/, (\w+)$/, ' or $1');
  const parse = (value: string): boolean => {
    const lower = value.toLowerCase();
    if (!Object.hasOwn(words, lower)) throw new Error(shape);
    return words[lower]!;
  };
  return {
    env,
    default: fallback,
    doc,
    shape,
    parse,
    accepts: value => typeof value === 'boolean',
  };
}

export function choice<T extends string>(
  env: string,
  choices: readonly T[],
  fallback: NoInfer<T>,
  doc: string,
): Option<T> {
  const shape = choices.join(', ');
  const parse = (value: string): T => {
    const found = choices.find(candidate => candidate === value.toLowerCase());
    if (found === undefined) throw new Error(`one of ${shape}`);
    return found;
  };
  return { env, default: fallback, doc, shape, parse, accepts: value => choices.includes(value as T) };
}

/** As {@link choice}; one of several names, separated by commas, may have them in any order. */
export function combination<T extends string>(
  env: string,
  choices: readonly T[],
  fallback: NoInfer<T>,
  doc: string,
): Option<T> {
  const made = choice(env, choices, fallback, doc);
  const shape = choices.join(' or ');
  const inOrder = (value: string): string =>
    value
      .split(',')
      .map(item => item.trim().toLowerCase())
      .sort()
      .join();
  const parse = (value: string): T => {
    const found = choices.find(candidate => candidate === inOrder(value));
    if (found === undefined) throw new Error(shape);
    return found;
  };
  return { ...made, shape, parse };
}

const HOST_AND_PORT = /^(?:\[[\da-f:.]+\]|[^\s:[\]/]+):(\d{1,5})$/i;
const PORT_MAX = 65_535;

/** `host:port`, an IPv6 address in brackets; empty for none. */
export function hostAndPort(env: string, doc: string): Option<string> {
  const shape = 'host:port';
  const hasPort = (port: string | undefined): boolean => Number(port) > 0 && Number(port) <= PORT_MAX;
  const accepts = (value: unknown): boolean =>
    value === '' || (isText(value) && hasPort(HOST_AND_PORT.exec(value)?.[1]));
  const parse = (value: string): string => {
    const trimmed = value.trim();
    if (trimmed === '' || !accepts(trimmed)) throw new Error(shape);
    return trimmed;
  };
  return { env, default: '', doc, shape, parse, accepts };
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  readonly fraction?: boolean;
}

export function quantity(env: string, fallback: number, bounds: Bounds, doc: string): Option<number> {
  const { min, max, unit, fraction = false } = bounds;
  const shape = `${unit}, ${min} to ${max}`;
  const accepts = (value: unknown): boolean =>
    typeof value === 'number' && value >= min && value <= max && (fraction || Number.isInteger(value));
  const parse = (value: string): number => {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    if (!accepts(number)) throw new Error(`${fraction ? 'a number' : 'a whole number'} (${shape})`);
    return number;
  };
  return { env, default: fallback, doc, shape, parse, accepts };
}

/** A limit for one kind of record; unset, the general one is in force. */
export function specificLimit(env: string, general: Option<number>, doc: string): Option<number | undefined> {
  return { ...general, env, default: undefined, doc: `${doc}; \`${general.env}\` when it is unset.` };
}

type Items = readonly string[] | { readonly called: string; readonly pattern: RegExp };

const LEVEL = String.raw`(?:\*|[^\s*.,=-][^*.,=]*)`;
const PATH = String.raw`${LEVEL}(?:\.${LEVEL}){0,15}`;
/** Names and `*`, of 16 levels at the most. */
export const fieldRules: Items = {
  called: '`path`, `-path`, `path=***`',
  pattern: new RegExp(String.raw`^(?:-?${PATH}|${PATH}=\*\*\*)$`),
};

/** @param known what items may be: by default anything; names in lowercase, which a variable may have in any case */
export function list(
  env: string,
  fallback: readonly string[],
  doc: string,
  known: Items = { called: '', pattern: /^/ },
): Option<readonly string[]> {
  const called = 'called' in known ? known.called : known.join(', ');
  const shape = `${called === '' ? 'list' : `list of ${called}`}, separated by commas`;
  const isItem = (item: unknown): boolean =>
    isText(item) && ('called' in known ? known.pattern.test(item) : known.includes(item));
  const accepts = (value: unknown): boolean => Array.isArray(value) && value.every(isItem);
  const parse = (value: string): string[] => {
    const items = value.split(',').map(item => item.trim());
    const given = items
      .filter(item => item !== '')
      .map(item => ('called' in known ? item : item.toLowerCase()));
    const wrong = given.find(item => !isItem(item));
    if (wrong !== undefined) throw new Error(`a ${shape}; ${JSON.stringify(wrong)} is none`);
    return given;
  };
  return { env, default: fallback, doc, shape, parse, accepts };
}

/** @param readKey what of a key is encoded; by default nothing */
export function pairs(
  env: string,
  doc: string,
  readKey: (key: string) => string | undefined = key => key,
): Option<Readonly<Record<string, string>>> {
  const parse = (value: string): Record<string, string> => {
    const entries = value
      .split(',')
      .filter(item => item.trim() !== '')
      .map(item => {
        const at = item.indexOf('=');
        const key = at > 0 ? readKey(item.slice(0, at).trim()) : undefined;
        const decoded = percentDecoded(item.slice(at + 1).trim());
        if (!key || decoded === undefined)
          throw new Error('key=value pairs, separated by commas, values percent-encoded');
        return [key, decoded] as const;
      });
    return Object.fromEntries(entries);
  };
  const accepts = (value: unknown): boolean => isRecordOf(value, ['string']);
  return { env, default: {}, doc, shape: 'key=value pairs, separated by commas', parse, accepts };
}

export function isRecordOf(value: unknown, types: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every(each => types.includes(typeof each));
}

/** A choice that need not be made. */
export function optionalChoice<T extends string>(
  env: string,
  choices: readonly T[],
  doc: string,
): Option<'' | T> {
  const made = choice<T>(env, choices, choices[0]!, doc);
  return { ...made, default: '', accepts: value => value === '' || made.accepts(value) };
}

export function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** As it is shown to people: in quotes, and not too long. */
export const printable = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 200);
