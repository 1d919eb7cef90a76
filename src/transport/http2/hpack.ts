// HPACK (RFC 7541): a request's fields as literals, and a peer's fields with all that the format has.
import { ErrorCode, Http2Fault } from './frame.ts';
import { readHuffman } from './huffman.ts';

/** A name in lower case, and its value: both Latin-1. */
export type Field = readonly [name: string, value: string];

/** By name; of one that comes twice the last value counts. */
export type Fields = ReadonlyMap<string, string>;

/** Names and values of one block, and of the table: RFC 9113's default, which this side leaves as it is. */
export const FIELDS_BYTES_MAX: number = 64 * 1024;
const TABLE_BYTES_MAX = 4096;
/** What an entry counts beside its name and value. */
const ENTRY_BYTES = 32;
const INTEGER_MAX = 2 ** 28;

const STATIC_TABLE: readonly Field[] = (
  ':authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|' +
  ':status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|' +
  'accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|' +
  'content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|' +
  'cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|' +
  'last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|' +
  'server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate'
)
  .split('|')
  .map(entry => {
    const [name = '', ...value] = entry.split(' ');
    return [name, value.join(' ')];
  });

/** Each field as a literal that nobody between here and there may keep: some are credentials. */
export function encodeFields(fields: readonly Field[]): Buffer {
  const bytes: number[] = [];
  for (const [name, value] of fields) {
    const index = STATIC_TABLE.findIndex(entry => entry[0] === name) + 1;
    putInteger(bytes, 0x10, 4, index);
    if (index === 0) putText(bytes, name);
    putText(bytes, value);
  }
  return Buffer.from(bytes);
}

/** The high bits of the first byte are `pattern`; the number has the other `bits`, and bytes behind them when it is larger. */
function putInteger(bytes: number[], pattern: number, bits: number, value: number): void {
  const full = 2 ** bits - 1;
  bytes.push(pattern | Math.min(value, full));
  if (value < full) return;
  let rest = value - full;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
}

function putText(bytes: number[], text: string): void {
  putInteger(bytes, 0, 7, text.length);
  for (const byte of Buffer.from(text, 'latin1')) bytes.push(byte);
}

/** Decodes the blocks of one connection, in their order: each may refer to fields of those before. */
export class FieldDecoder {
  /** The newest first. */
  readonly #table: Field[] = [];
  #tableBytes = 0;
  #tableBytesMax = TABLE_BYTES_MAX;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @throws Http2Fault when the block is none, or larger than `FIELDS_BYTES_MAX` */
  decode(block: Buffer): Fields {
    this.#block = block;
    this.#at = 0;
    const fields = new Map<string, string>();
    let bytes = 0;
    while (this.#at < block.length) {
      const field = this.#field();
      if (field === undefined) continue;
      bytes += sizeOf(field);
      if (bytes > FIELDS_BYTES_MAX) throw endless();
      fields.set(field[0], field[1]);
    }
    return fields;
  }

  /** Undefined for a change of the table's size. */
  #field(): Field | undefined {
    const first = this.#block[this.#at]!;
    if (first >= 0x80) return this.#entry(this.#integer(7));
    if (first >= 0x40) return this.#keep(this.#literal(6));
    if (first < 0x20) return this.#literal(4);
    const bytes = this.#integer(5);
    if (bytes > TABLE_BYTES_MAX) throw invalid('a table that is too large');
    this.#tableBytesMax = bytes;
    this.#evict();
    return undefined;
  }

  #literal(bits: number): Field {
    const index = this.#integer(bits);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    return [name, this.#text()];
  }

  #entry(index: number): Field {
    const entry = STATIC_TABLE[index - 1] ?? this.#table[index - 1 - STATIC_TABLE.length];
    if (entry === undefined) throw invalid(`no field ${index}`);
    return entry;
  }

  #keep(field: Field): Field {
    this.#table.unshift(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
    return field;
  }

  #evict(): void {
    while (this.#tableBytes > this.#tableBytesMax) this.#tableBytes -= sizeOf(this.#table.pop()!);
  }

  #integer(bits: number): number {
    const full = 2 ** bits - 1;
    let value = this.#byte() & full;
    if (value < full) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (value > INTEGER_MAX || scale > INTEGER_MAX) throw invalid('a number that is too large');
      if (byte < 0x80) return value;
    }
  }

  #text(): string {
    const isHuffman = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw invalid('a text that ends too early');
    this.#at += length;
    const text = isHuffman ? readHuffman(bytes) : bytes.toString('latin1');
    if (text === undefined) throw invalid('a text that cannot be decoded');
    return text;
  }

  #byte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw invalid('a block that ends too early');
    return byte;
  }
}

const sizeOf = ([name, value]: Field): number => name.length + value.length + ENTRY_BYTES;

/** For a block, or what it stands for, beyond `FIELDS_BYTES_MAX`. */
export const endless = (): Http2Fault =>
  new Http2Fault(ErrorCode.enhanceYourCalm, 'header fields without end');

const invalid = (what: string): Http2Fault =>
  new Http2Fault(ErrorCode.compression, `header fields that cannot be read: ${what}`);
