// Configuration values that know where they stand: YAML text and `--set` in, one merged tree out.
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  type YAMLError,
} from 'yaml';
import { type Environment, interpolate } from './interpolation.ts';
import { ConfigError, type Place, type Problem } from './problem.ts';

export type ConfigNode = MapNode | ListNode | ScalarNode;

export interface MapNode {
  readonly kind: 'map';
  readonly place: Place;
  readonly entries: Map<string, MapEntry>;
}

interface MapEntry {
  /** Where the key stands. */
  readonly place: Place;
  node: ConfigNode;
}

interface ListNode {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly ConfigNode[];
}

interface ScalarNode {
  readonly kind: 'scalar';
  readonly place: Place;
  readonly value: unknown;
}

/** Bounds on what aliases may unfold into. */
const DEPTH_MAX = 64;
const NODES_MAX = 100_000;

/**
 * One YAML document as a tree, `${env:…}` replaced.
 * @throws ConfigError with every syntax error and every variable that is not set
 */
export function parseTree(text: string, file: string, environment: Environment): MapNode {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const located = ({ message, pos }: YAMLError): Problem => {
    const blanks = /^\s*/.exec(text.slice(pos[0]))![0].length; // The parser points to where the token before ended.
    return { place: placeAt(pos[0] + blanks), message };
  };
  if (document.errors.length > 0) throw new ConfigError(document.errors.map(located));

  const problems: Problem[] = [];
  let nodes = 0;
  const convert = (node: Node | null | undefined, fallback: Place, depth: number): ConfigNode => {
    const place = node?.range && node.range[1] > node.range[0] ? placeAt(node.range[0]) : fallback;
    if (depth > DEPTH_MAX || ++nodes > NODES_MAX) {
      throw new ConfigError([{ place, message: 'nested too deeply, or too many values' }]);
    }
    if (isAlias(node)) return convert(node.resolve(document), place, depth + 1);
    if (isMap<Scalar, Node | null>(node)) {
      const entries = new Map<string, MapEntry>();
      for (const { key, value } of node.items) {
        const keyPlace = key?.range ? placeAt(key.range[0]) : place;
        entries.set(keyText(key), { place: keyPlace, node: convert(value, keyPlace, depth + 1) });
      }
      return { kind: 'map', place, entries };
    }
    if (isSeq<Node>(node)) {
      return { kind: 'list', place, items: node.items.map(item => convert(item, place, depth + 1)) };
    }
    return { kind: 'scalar', place, value: scalarValue(node, place, environment, problems) };
  };
  const root = convert(document.contents, { file, line: 1, column: 1 }, 0);
  if (problems.length > 0) throw new ConfigError(problems);
  if (root.kind === 'map') return root;
  if (root.kind === 'scalar' && root.value === null)
    return { kind: 'map', place: root.place, entries: new Map() };
  throw new ConfigError([{ place: root.place, message: 'a configuration is a map of keys and values' }]);
}

function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

/** The value after `${env:…}`. A plain (unquoted) scalar that is one reference takes the type that its text has in YAML. */
function scalarValue(
  node: Node | null | undefined,
  place: Place,
  environment: Environment,
  problems: Problem[],
): unknown {
  if (!isScalar(node)) return null;
  if (typeof node.value !== 'string' || !node.value.includes('$')) return node.value;
  const result = interpolate(node.value, environment);
  for (const message of result.problems) problems.push({ place, message });
  if (!result.whole || (node.type !== undefined && node.type !== Scalar.PLAIN)) return result.text;
  const parsed = parseDocument(result.text).contents;
  return isScalar(parsed) ? parsed.value : result.text;
}

/** A tree that holds one value, from `path=value` of the command line; the value is read as YAML. */
export function parseSetting(setting: string, environment: Environment): MapNode {
  const place: Place = { file: `--set ${setting}`, line: 0, column: 0 };
  const split = setting.indexOf('=');
  const path = setting.slice(0, Math.max(split, 0)).split('.');
  if (split < 0 || path.includes('')) {
    throw new ConfigError([
      { place, message: 'expected path=value, as in service.web.endpoint=127.0.0.1:8080' },
    ]);
  }
  const wrapped = parseTree(`value: ${setting.slice(split + 1)}`, place.file, environment);
  let node = unplaced(wrapped.entries.get('value')!.node, place);
  for (const key of path.reverse()) node = { kind: 'map', place, entries: new Map([[key, { place, node }]]) };
  return node as MapNode;
}

/** The same values, all standing at one place. */
function unplaced(node: ConfigNode, place: Place): ConfigNode {
  if (node.kind === 'scalar') return { ...node, place };
  if (node.kind === 'list')
    return { kind: 'list', place, items: node.items.map(item => unplaced(item, place)) };
  const entries = new Map<string, MapEntry>();
  for (const [key, entry] of node.entries) entries.set(key, { place, node: unplaced(entry.node, place) });
  return { kind: 'map', place, entries };
}

/** Puts `over` on top of `base`: maps merge key by key, everything else is replaced. Changes `base`. */
export function mergeTree(base: MapNode, over: MapNode): MapNode {
  for (const [key, entry] of over.entries) {
    const below = base.entries.get(key);
    if (below?.node.kind === 'map' && entry.node.kind === 'map') mergeTree(below.node, entry.node);
    else base.entries.set(key, entry);
  }
  return base;
}

/** The bare value; maps have no prototype, so that `__proto__` is a key like any other. */
export function plainValue(node: ConfigNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(plainValue);
  const value: Record<string, unknown> = Object.create(null);
  for (const [key, entry] of node.entries) value[key] = plainValue(entry.node);
  return value;
}

/** The place of what `path` leads to, as far as it leads; with `key`, of that key within it. */
export function placeOf(root: ConfigNode, path: readonly PropertyKey[], key?: string): Place {
  let node = root;
  for (const step of path) {
    const next = node.kind === 'map' ? node.entries.get(String(step))?.node : undefined;
    const item = node.kind === 'list' ? node.items[Number(step)] : undefined;
    if (next === undefined && item === undefined) return node.place;
    node = (next ?? item)!;
  }
  const entry = key !== undefined && node.kind === 'map' ? node.entries.get(key) : undefined;
  return entry?.place ?? node.place;
}
