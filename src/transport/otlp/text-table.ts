// What comes again and again on the wire, keys, names and usual values: encoded once, and then copied eight bytes at a time.

/** Keys that are kept: what is set once per request must not fill the memory with keys. */
const KEYS_MAX = 2048;
/** Bytes of a text that is kept. */
const TEXT_BYTES_MAX = 80;
const PLACES = 64;
/** Usual values of one key. */
const USUAL = 8;
/** So many other values pass before one becomes usual. */
const PATIENCE_MIN = 16;
const PATIENCE_MAX = 4096;
const NAME_PATIENCE = 256;

const NOTHING = new Float64Array(0);

/** The bytes as doubles, filled up with zeros; undefined when eight of them are a NaN, whose bits a copy need not keep. */
function chunksOf(bytes: Uint8Array): Float64Array | undefined {
  const chunks = new Float64Array((bytes.length + 7) >> 3);
  new Uint8Array(chunks.buffer).set(bytes);
  return chunks.some(Number.isNaN) ? undefined : chunks;
}

/** The same text, as a property's name is kept: flat, compared by its place, and no slice of something larger. */
const keptText = (text: string): string => Object.keys({ [text]: 0 })[0]!;

const isKept = (text: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
  text.length <= TEXT_BYTES_MAX && /^[\x00-\x7f]*$/.test(text);

/** A text of ASCII as string field 1: tag, length, bytes. */
export class EncodedText {
  readonly text: string;
  /** Bytes with tag and length. */
  readonly length: number;
  readonly chunks: Float64Array;

  constructor(text: string) {
    this.text = keptText(text);
    this.length = 2 + text.length;
    const bytes = Uint8Array.of(0x0a, text.length, ...Buffer.from(text, 'latin1'));
    // No NaN: one has a byte beyond ASCII.
    this.chunks = chunksOf(bytes) ?? NOTHING;
  }
}

/** An attribute as it was encoded before: the content of a `KeyValue`, without its tag and length. */
interface Usual<Value> {
  readonly value: Value;
  readonly length: number;
  readonly chunks: Float64Array;
}

const NO_TEXT: Usual<string> = { value: '', length: 0, chunks: NOTHING };
const NO_NUMBER: Usual<number> = { value: Number.NaN, length: 0, chunks: NOTHING };

/** Where a usual text stands: by its length and its ends, as those of `GET` and `PUT`, or of two paths, differ in one of them. */
const textPlace = (text: string): number =>
  text === '' ? 0 : (text.length + text.charCodeAt(0) + text.charCodeAt(text.length - 1)) & (USUAL - 1);

/** A key, and attributes that it is usually part of: texts by their length and ends, numbers by their last bits. */
export class EncodedKey extends EncodedText {
  readonly #texts = new Array<Usual<string>>(USUAL).fill(NO_TEXT);
  readonly #numbers = new Array<Usual<number>>(USUAL).fill(NO_NUMBER);
  #others = 0;
  #patience = PATIENCE_MIN;

  /** The attribute with this key and this value when it is a usual one; else one of length 0. */
  with(value: unknown): Usual<unknown> {
    if (typeof value === 'string') {
      const usual = this.#texts[textPlace(value)]!;
      if (usual.value === value) return usual;
    } else if (typeof value === 'number') {
      const usual = this.#numbers[value & (USUAL - 1)]!;
      if (usual.value === value) return usual;
    }
    return NO_TEXT;
  }

  /**
   * True when the value, which was not a usual one, may become it: the rarer the oftener that was tried, as to encode one
   * costs ten times what it saves.
   */
  isNext(): boolean {
    if (++this.#others < this.#patience) return false;
    this.#others = 0;
    this.#patience = Math.min(2 * this.#patience, PATIENCE_MAX);
    return true;
  }

  /** @param content the `KeyValue` with this key and this value, without its tag and length */
  adopt(value: unknown, content: Uint8Array): void {
    const chunks = chunksOf(content);
    if (chunks === undefined) return;
    const { length } = content;
    if (typeof value === 'string') this.#texts[textPlace(value)] = { value: keptText(value), length, chunks };
    // Zero is left out: it is not -0, though it equals it.
    else if (typeof value === 'number' && value !== 0)
      this.#numbers[value & (USUAL - 1)] = { value, length, chunks };
  }
}

/**
 * The keys seen first, at most {@link KEYS_MAX}; they stay, so that a flood of keys pushes none of them out.
 *
 *     place ──▶ recent: the key that stood there last ──▶ the same again? then no look-up
 *                                                         otherwise ──▶ known: all of them by text
 */
export class KeyTable {
  readonly #known = new Map<string, EncodedKey>();
  readonly #recent: EncodedKey[] = new Array<EncodedKey>(PLACES).fill(new EncodedKey(''));

  /**
   * The encoded key; undefined when it is not ASCII, too long or one too many.
   * @param place where in its record the key stands: the next one there is most likely the same
   */
  find(text: string, place: number): EncodedKey | undefined {
    const recent = this.#recent[place & (PLACES - 1)]!;
    return recent.text === text ? recent : this.#lookUp(text, place & (PLACES - 1));
  }

  #lookUp(text: string, place: number): EncodedKey | undefined {
    let known = this.#known.get(text);
    if (known === undefined) {
      if (this.#known.size >= KEYS_MAX || !isKept(text)) return undefined;
      known = new EncodedKey(text);
      this.#known.set(known.text, known);
    }
    this.#recent[place] = known;
    return known;
  }
}

/** Names of which a process has few: of each length the usual one. */
export class NameTable {
  readonly #usual: EncodedText[] = new Array<EncodedText>(PLACES).fill(new EncodedText(''));
  #others = 0;

  /** The encoded name, when it is a usual one. */
  find(name: string): EncodedText | undefined {
    const usual = this.#usual[name.length & (PLACES - 1)]!;
    return usual.text === name ? usual : this.#other(name);
  }

  #other(name: string): undefined {
    this.#others = (this.#others + 1) % NAME_PATIENCE;
    if (this.#others === 0 && isKept(name)) this.#usual[name.length & (PLACES - 1)] = new EncodedText(name);
  }
}
