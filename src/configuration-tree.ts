// A YAML file whose keys are taken one by one, with variables put in, and whose every complaint says where.
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  type YAMLMap,
} from 'yaml';
import { OptionError } from './errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** `${NAME}`, `${env:NAME}`, `${NAME:-default}`, and `$$` for a dollar sign. */
const SUBSTITUTION = /\$\$|\$\{(?:env:)?([A-Za-z_]\w*)(?::-([^\n}]*))?\}|\$\{[^}\n]*\}?/g;

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';

/** One file, and what it says that is not followed. */
export class ConfigurationFile {
  readonly warnings: string[] = [];
  readonly root: Section;
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #env: Env;
  readonly #document: Document;

  /** @throws OptionError for what is no YAML, naming file and line */
  constructor(path: string, text: string, env: Env) {
    this.#path = path;
    this.#env = env;
    this.#document = parseDocument(text, { lineCounter: this.#lines, version: '1.2' });
    const [error] = this.#document.errors;
    if (error !== undefined) {
      const { line, col } = this.#lines.linePos(error.pos[0]);
      throw new OptionError(`${path}:${line}:${col}: ${error.message.split('\n')[0]}`);
    }
    const { contents } = this.#document;
    if (!isMap(contents)) throw new OptionError(`${path}: the file is no mapping of keys.`);
    this.root = new Section(this, '', contents);
  }

  /** What an alias stands for; any other node itself. */
  resolved(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  /** `file:line:column` of the node. */
  placeOf(node: Node | null | undefined): string {
    const { line, col } = this.#lines.linePos(node?.range?.[0] ?? 0);
    return `${this.#path}:${line}:${col}`;
  }

  /** The value of a scalar with its variables put in; of which type it is shows only then, unless it is quoted. */
  valueOf(node: Scalar, path: string): unknown {
    if (typeof node.value !== 'string' || !node.value.includes('$')) return node.value;
    const text = node.value.replaceAll(SUBSTITUTION, (whole, name?: string, fallback?: string) => {
      if (whole === '$$') return '$';
      if (name === undefined)
        throw new OptionError(`${this.placeOf(node)}: ${path}: ${whole} names no variable.`);
      return this.#env[name] || (fallback ?? '');
    });
    if (node.type !== Scalar.PLAIN) return text;
    const { contents } = parseDocument(text, { version: '1.2' });
    return isScalar(contents) ? contents.value : contents === null ? null : text;
  }
}

/** A mapping of the file; an empty one where there is none. */
export class Section {
  readonly path: string;
  readonly #file: ConfigurationFile;
  readonly #map: YAMLMap | undefined;
  readonly #taken = new Map<string, readonly Section[]>();

  constructor(file: ConfigurationFile, path: string, map: YAMLMap | undefined) {
    this.#file = file;
    this.path = path;
    this.#map = map;
  }

  get keys(): string[] {
    return this.#map?.items.map(({ key }) => String(isScalar(key) ? key.value : key)) ?? [];
  }

  has(key: string): boolean {
    return this.keys.includes(key);
  }

  /** `file:line:column` of the mapping. */
  get place(): string {
    return this.#file.placeOf(this.#map);
  }

  section(key: string): Section {
    const known = this.#taken.get(key)?.[0];
    if (known !== undefined) return known;
    const node = this.#node(key);
    if (node !== undefined && !isMap(node)) throw this.wrong(key, 'a mapping');
    return this.#take(key, [node])[0]!;
  }

  /** The mappings of a list. */
  sections(key: string): readonly Section[] {
    const known = this.#taken.get(key);
    if (known !== undefined) return known;
    const items = this.#items(key);
    for (const [index, item] of items.entries())
      if (!isMap(item)) throw this.wrong(`${key}[${index}]`, 'a mapping', item);
    return this.#take(key, items as YAMLMap[]);
  }

  /** The texts of a list. */
  texts(key: string): readonly string[] | undefined {
    return this.#scalars(key, 'text', isText);
  }

  /** The numbers of a list. */
  numbers(key: string): readonly number[] | undefined {
    return this.#scalars(key, 'a number', isNumber);
  }

  text(key: string): string | undefined {
    return this.#scalar(key, 'text', isText);
  }

  number(key: string): number | undefined {
    return this.#scalar(key, 'a number', isNumber);
  }

  flag(key: string): boolean | undefined {
    return this.#scalar(key, 'true or false', (value): value is boolean => typeof value === 'boolean');
  }

  /** Text, a number or a truth value; or the texts, numbers or truth values of a list, as text with commas between. */
  plain(key: string): string | number | boolean | undefined {
    const node = this.#node(key);
    if (!isSeq(node))
      return this.#scalar(
        key,
        'text, a number or a truth value',
        (value): value is string | number | boolean => ['string', 'number', 'boolean'].includes(typeof value),
      );
    this.#take(key, []);
    return node.items
      .map(item => String(isScalar(item) ? this.#file.valueOf(item, this.#pathOf(key)) : item))
      .join(',');
  }

  /** An error that names the place, the key, its value and what it takes. */
  wrong(key: string, takes: string, node: unknown = this.#node(key)): OptionError {
    const value = isScalar(node) ? this.#file.valueOf(node, this.#pathOf(key)) : node;
    const shown = JSON.stringify(value)?.slice(0, 100);
    return new OptionError(
      `${this.#file.placeOf(node as Node)}: ${this.#pathOf(key)} is ${shown}; it takes ${takes}.`,
    );
  }

  /** Says that a key is not followed. */
  warn(key: string, why: string): void {
    const pair = this.#map?.items.find(item => isScalar(item.key) && item.key.value === key);
    const place = this.#file.placeOf(pair?.key as Node | undefined);
    this.#file.warnings.push(`${place}: ${this.#pathOf(key)} is ignored: ${why}.`);
    this.#take(key, []);
  }

  /** Warns of the keys that nobody has asked for, here and below. */
  warnOfRest(): void {
    for (const key of this.keys) {
      const below = this.#taken.get(key);
      if (below === undefined) this.warn(key, 'there is no such setting here, or it is not supported');
      else for (const section of below) section.warnOfRest();
    }
  }

  #pathOf(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  /** Undefined for what is missing or null. */
  #node(key: string): Node | undefined {
    const node = this.#file.resolved(this.#map?.get(key, true)) as Node | undefined;
    return isScalar(node) && node.value === null ? undefined : node;
  }

  #items(key: string): readonly unknown[] {
    const node = this.#node(key);
    if (node === undefined) return [];
    if (!isSeq(node)) throw this.wrong(key, 'a list');
    return node.items.map(item => this.#file.resolved(item));
  }

  #take(key: string, maps: readonly (YAMLMap | undefined)[]): readonly Section[] {
    const indexed = maps.length > 1 || isSeq(this.#node(key));
    const sections = maps.map(
      (map, index) =>
        new Section(this.#file, indexed ? `${this.#pathOf(key)}[${index}]` : this.#pathOf(key), map),
    );
    this.#taken.set(key, sections);
    return sections;
  }

  #scalars<T>(key: string, takes: string, fits: (value: unknown) => value is T): readonly T[] | undefined {
    if (this.#node(key) === undefined) return undefined;
    const items = this.#items(key).map((item, index) => {
      const value = isScalar(item) ? this.#file.valueOf(item, `${this.#pathOf(key)}[${index}]`) : undefined;
      if (!fits(value)) throw this.wrong(`${key}[${index}]`, takes, item);
      return value;
    });
    this.#take(key, []);
    return items;
  }

  #scalar<T>(key: string, takes: string, fits: (value: unknown) => value is T): T | undefined {
    this.#take(key, []);
    const node = this.#node(key);
    if (node === undefined) return undefined;
    const value = isScalar(node) ? this.#file.valueOf(node, this.#pathOf(key)) : node;
    if (value === null) return undefined;
    if (!fits(value)) throw this.wrong(key, takes);
    return value;
  }
}
