// Attribute keys as they go onto the wire: each is encoded once, and then copied by words.

/** Texts that are kept: what is set once per request must not fill the memory with keys. */
const TEXTS_MAX = 2048;
/** Bytes of a text that is kept. */
const TEXT_BYTES_MAX = 80;
const PLACES = 64;

/** A text of ASCII as string field 1: tag, length, bytes. */
export class EncodedText {
  readonly text: string;
  /** Bytes with tag and length. */
  readonly length: number;
  /** The bytes as little-endian words, the last one filled up with zeros. */
  readonly words: Int32Array;

  constructor(text: string) {
    this.text = text;
    this.length = 2 + text.length;
    this.words = new Int32Array((this.length + 3) >> 2);
    const bytes = new DataView(this.words.buffer);
    bytes.setUint8(0, 0x0a);
    bytes.setUint8(1, text.length);
    for (let i = 0; i < text.length; i++) bytes.setUint8(2 + i, text.charCodeAt(i));
    for (let i = 0; i < this.words.length; i++) this.words[i] = bytes.getInt32(4 * i, true);
  }
}

const isKept = (text: string): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
  text.length <= TEXT_BYTES_MAX && /^[\x00-\x7f]*$/.test(text);

/**
 * The texts seen first, at most {@link TEXTS_MAX}; they stay, so that a flood of keys pushes none of them out.
 *
 *     place ──▶ recent: the text that stood there last ──▶ the same again? then no look-up
 *                                                          otherwise ──▶ known: all of them by text
 */
export class TextTable {
  readonly #known = new Map<string, EncodedText>();
  readonly #recent: EncodedText[] = new Array<EncodedText>(PLACES).fill(new EncodedText(''));

  /**
   * The encoded text; undefined when it is not ASCII, too long or one too many.
   * @param place where in its record the text stands: the next one there is most likely the same
   */
  find(text: string, place: number): EncodedText | undefined {
    const recent = this.#recent[place & (PLACES - 1)]!;
    return recent.text === text ? recent : this.#lookUp(text, place & (PLACES - 1));
  }

  #lookUp(text: string, place: number): EncodedText | undefined {
    let known = this.#known.get(text);
    if (known === undefined) {
      if (this.#known.size >= TEXTS_MAX || !isKept(text)) return undefined;
      known = new EncodedText(text);
      this.#known.set(text, known);
    }
    this.#recent[place] = known;
    return known;
  }
}
