// Which fields of log records are sent: paths, compiled once, that leave out, replace or list them.

/**
 * What the paths say of one level and of those below it. Plain objects and maps, which can be handed to a thread.
 *
 *     -req.headers.cookie, -req.*.token, user.id
 *
 *     ┌ req ─┬ headers ─ cookie: drop
 *     │      └ * ─ token: drop
 *     └ user ─ id: keep
 */
export interface FieldTree {
  drop: boolean;
  redact: boolean;
  keep: boolean;
  /** By name; `*` is any one name. */
  readonly below: Map<string, FieldTree>;
}

export interface FieldRules {
  readonly tree: FieldTree;
  /** Whether all is sent of which no path says otherwise; else only what is listed. */
  readonly all: boolean;
}

/** What stands in the place of a value that is not to be seen. */
export const REDACTED = '***';
const REDACTS = `=${REDACTED}`;
/** Any name of one level; names of fields that are called so are met by it too. */
const ANY = '*';

/** What an error of a line is called, and what its members are called in the record. */
const errorNames = ['err', 'error'];
const exceptionNames: Readonly<Record<string, string>> = { stack: 'stacktrace' };

const newTree = (): FieldTree => ({ drop: false, redact: false, keep: false, below: new Map() });

/**
 * Each item is a path of names joined by dots, with `*` for any one name: `user.id` lists what is sent, with all below it,
 * and nothing else is; `-user.name` leaves out, `user.card=***` sends `***` in the place of the value. What leaves out wins over
 * what replaces, and that over what lists. What is said of `err` and `error` holds for the `exception` that they become.
 *
 * Undefined when there are none.
 */
export function compileFields(items: readonly string[]): FieldRules | undefined {
  if (items.length === 0) return undefined;
  const tree = newTree();
  let all = true;
  for (const item of items) {
    const drop = item.startsWith('-');
    const redact = item.endsWith(REDACTS);
    const path = item.slice(drop ? 1 : 0, redact ? -REDACTS.length : undefined).split('.');
    for (const each of [path, ...asException(path)]) {
      const end = treeAt(tree, each);
      if (drop) end.drop = true;
      else if (redact) end.redact = true;
      else end.keep = true;
    }
    if (!drop && !redact) all = false;
  }
  return { tree, all };
}

function asException([first, second, ...others]: readonly string[]): string[][] {
  if (!errorNames.includes(first!)) return [];
  return [['exception', ...(second === undefined ? [] : [exceptionNames[second] ?? second]), ...others]];
}

function treeAt(root: FieldTree, path: readonly string[]): FieldTree {
  let tree = root;
  for (const name of path) {
    let next = tree.below.get(name);
    if (next === undefined) {
      next = newTree();
      tree.below.set(name, next);
    }
    tree = next;
  }
  return tree;
}

/** What becomes of a value: it is left out, replaced, sent as it is, or looked into. */
export const Verdict = { drop: 0, redact: 1, keep: 2, look: 3 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** What holds at a place in a record, and at those below it. Places are made as they are come to, and no more than the paths name. */
export class FieldLevel {
  /** Where all is sent. */
  static readonly whole: FieldLevel = new FieldLevel([], true);

  readonly verdict: Verdict;
  /** Whether what lies here is sent where no path says otherwise. */
  readonly kept: boolean;
  /** What the paths that lead here say. */
  readonly #trees: readonly FieldTree[];
  readonly #below = new Map<string, FieldLevel>();

  constructor(trees: readonly FieldTree[], kept: boolean) {
    this.#trees = trees;
    this.kept = kept || trees.some(tree => tree.keep);
    if (trees.some(tree => tree.drop)) this.verdict = Verdict.drop;
    else if (trees.some(tree => tree.redact)) this.verdict = Verdict.redact;
    else if (trees.some(tree => tree.below.size > 0)) this.verdict = Verdict.look;
    else this.verdict = this.kept ? Verdict.keep : Verdict.drop;
  }

  static of({ tree, all }: FieldRules): FieldLevel {
    return new FieldLevel([tree], all);
  }

  /** The place of a member or, by its index, of an element. A name with dots is as many levels as it has parts. */
  at(name: string): FieldLevel {
    if (!name.includes('.')) return this.#step(name);
    return name.split('.').reduce<FieldLevel>((level, part) => level.#step(part), this);
  }

  #step(name: string): FieldLevel {
    if (this.verdict !== Verdict.look) return this;
    const key = this.#trees.some(tree => tree.below.has(name)) ? name : ANY;
    let level = this.#below.get(key);
    if (level === undefined) {
      const names = key === ANY ? [ANY] : [key, ANY];
      const trees = this.#trees.flatMap(({ below }) => names.flatMap(each => below.get(each) ?? []));
      level = new FieldLevel(trees, this.kept);
      this.#below.set(key, level);
    }
    return level;
  }
}

/** So many values are kept of one attribute at the most: no more names need a look. */
const NAMES_MAX = 1024;

/** What {@link sentOf} gives when nothing is sent. */
export const NOTHING: unique symbol = Symbol('nothing');

/**
 * What is sent of a value: itself where no path goes further, else a copy down to where they end. What it is made of is read once.
 * Throws what getters throw.
 */
export function sentOf(value: unknown, level: FieldLevel): unknown {
  if (level.verdict === Verdict.drop) return NOTHING;
  if (level.verdict === Verdict.redact) return REDACTED;
  if (level.verdict === Verdict.keep) return value;
  if (!isNested(value)) return level.kept ? value : NOTHING;
  const names = Object.keys(value).slice(0, NAMES_MAX);
  const sent = names.flatMap((name): [string, unknown][] => {
    const below = level.at(name);
    if (below.verdict === Verdict.drop) return [];
    const part = sentOf(value[name], below);
    return part === NOTHING ? [] : [[name, part]];
  });
  if (sent.length === 0 && !level.kept) return NOTHING;
  return Array.isArray(value) ? sent.map(([, part]) => part) : Object.fromEntries(sent);
}

/** What has members of its own in a record; bytes, dates and errors are one value there. */
function isNested(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return !(value instanceof Uint8Array || value instanceof Date || value instanceof Error);
}
