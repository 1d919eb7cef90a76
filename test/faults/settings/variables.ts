// Wrong variables: misspelled names, impossible values, empty ones, and several at once.
import { isForeign } from '../../../src/otel-variables.ts';
import {
  CANARY,
  type CaseSource,
  type Env,
  known,
  options,
  others,
  pick,
  type Random,
  type SettingCase,
} from './setting-case.ts';

/** What fingers do to a name. */
const slips: readonly ((name: string, at: number) => string)[] = [
  (name, at) => name.slice(0, at) + name.slice(at + 1),
  (name, at) => name.slice(0, at) + name[at] + name.slice(at),
  (name, at) => name.slice(0, at) + name[at + 1] + name[at] + name.slice(at + 2),
  (name, at) => `${name.slice(0, at)}X${name.slice(at + 1)}`,
  name => `${name}S`,
  name => name.replace(/_(?=[^_]*$)/, ''),
  name => name.toLowerCase(),
];

/** A name that nobody knows, made of one that there is. */
function misspelled(name: string, random: Random): string {
  const prefix = name.indexOf('_') + 1;
  for (;;) {
    const at = prefix + Math.floor(random() * (name.length - prefix - 1));
    const slipped = pick(slips, random)(name, at);
    if (/^(OTEL|TRICORD)_./i.test(slipped) && !known.includes(slipped) && !isForeign(slipped)) return slipped;
  }
}

const MISSPELLINGS_OF_EACH = 3;

export const misspellings: CaseSource = {
  count: known.length * MISSPELLINGS_OF_EACH,
  caseAt(point, random) {
    const name = misspelled(known[point % known.length]!, random);
    return { env: { [name]: CANARY }, wrong: [name] };
  },
};

const words = ['no-such-word', '   ', 'yes please', 'grpcs', '-', ',', 'null'];
const numbers = ['soon', '   ', '1e999', 'NaN', '0x', '5 apples', '1_000', '٧'];
const pairs = ['novalue', '=x', 'a=%zz', 'a=1,b'];
const urls = ['nonsense', 'ftp://127.0.0.1', 'http://', '127.0.0.1:4317', `http://u:${CANARY}@h:4317`];
const headers = [`bad name=${CANARY}`, `te=${CANARY}`, `a=${CANARY}%0A`, ...pairs];

/** By what an option takes, as its page tells it. Undefined where nothing is impossible. */
function impossibleValues(env: string, shape: string): readonly string[] | undefined {
  const bounds = /, (-?\d+) to (\d+)$/.exec(shape);
  if (bounds !== null) return [...numbers, String(Number(bounds[1]) - 1), String(Number(bounds[2]) + 1)];
  if (env.endsWith('_HEADERS')) return headers;
  if (shape.startsWith('key=value')) return pairs;
  if (shape === 'URL') return urls;
  if (shape.startsWith('pattern=probability')) return ['no-such-word', 'a=2', '=1', 'a=-1;b=1'];
  if (shape.includes('`path`')) return ['a=b', '*x', '-', 'a..b'];
  if (/^(text|file)$/.test(shape)) return undefined;
  if (shape === 'list, separated by commas')
    return /^TRICORD_(OTEL_)?INSTR|_ENABLED_INSTR/.test(env) ? ['no-such-word'] : undefined;
  // A list of nothing is a list, and blanks around a word do not count.
  if (shape.startsWith('list of')) return words.filter(word => !/^[\s,]*$/.test(word));
  return words;
}

const impossible = options.flatMap(({ env, shape }) => {
  const values = impossibleValues(env, shape);
  return values === undefined ? [] : [{ env, values }];
});
const VALUES_OF_EACH = 4;

function impossibleCase(point: number, random: Random): SettingCase {
  const all = impossible.length + others.length;
  const at = point % all;
  if (at < impossible.length) {
    const { env, values } = impossible[at]!;
    return { env: { [env]: pick(values, random) }, wrong: [env] };
  }
  const [name, kind] = others[at - impossible.length]!;
  // What has nothing to do here may say anything; a file of its own is another part's.
  if (kind === 'moot') return { env: name === 'OTEL_CONFIG_FILE' ? {} : { [name]: 'anything' }, wrong: [] };
  return { env: { [name]: 'no-such-word' }, wrong: [name] };
}

export const impossibleSettings: CaseSource = {
  count: (impossible.length + others.length) * VALUES_OF_EACH,
  caseAt: impossibleCase,
};

const EMPTY_AT_ONCE = 8;

export const emptyVariables: CaseSource = {
  count: Math.ceil(known.length / EMPTY_AT_ONCE),
  caseAt(point) {
    const names = known.slice(point * EMPTY_AT_ONCE, (point + 1) * EMPTY_AT_ONCE);
    // The endpoint is where the tool's collector is.
    const env = Object.fromEntries(names.map(name => [name, '']));
    delete env.OTEL_EXPORTER_OTLP_ENDPOINT;
    return { env, wrong: [] };
  },
};

const SEVERAL_MAX = 6;

export const several: CaseSource = {
  count: 200,
  caseAt(_point, random) {
    const drawn = Array.from({ length: 2 + Math.floor(random() * (SEVERAL_MAX - 1)) }, () => {
      const source = pick([misspellings, impossibleSettings], random);
      return source.caseAt(Math.floor(random() * source.count), random);
    });
    const env: Env = Object.assign({}, ...drawn.map(each => each.env));
    return { env, wrong: [...new Set(drawn.flatMap(each => each.wrong))] };
  },
};
