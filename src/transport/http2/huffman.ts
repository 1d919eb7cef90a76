// HPACK's Huffman code (RFC 7541, appendix B), read only: what this side sends is plain.

/** Bits of each byte's code; the last is that of the end, which never appears. The code is canonical: these are all it takes. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const END = 256;
const BITS_MAX = 30;

/** Symbols in the order of their codes: by length, then by value. */
const symbols: readonly number[] = LENGTHS.map((_, symbol) => symbol).sort(
  (a, b) => LENGTHS[a]! - LENGTHS[b]! || a - b,
);

/** For each length: what to add to a code for its place in `symbols`, and the first code that is longer. */
const places = new Int32Array(BITS_MAX + 1);
const longer = new Int32Array(BITS_MAX + 1);

for (let length = 1, code = 0, place = 0; length <= BITS_MAX; length++) {
  places[length] = place - code;
  for (; LENGTHS[symbols[place]!] === length; place++) code++;
  longer[length] = code;
  code *= 2;
}

/** The bytes of a string as Latin-1; undefined when they are no code, or are filled up wrongly. */
export function readHuffman(bytes: Uint8Array): string | undefined {
  let text = '';
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1);
      if (code >= longer[++length]!) continue;
      const symbol = symbols[places[length]! + code]!;
      if (symbol === END) return undefined;
      text += String.fromCharCode(symbol);
      code = 0;
      length = 0;
    }
  }
  // What fills the last byte up is the beginning of the end's code, which is all ones.
  return length < 8 && code === 2 ** length - 1 ? text : undefined;
}
