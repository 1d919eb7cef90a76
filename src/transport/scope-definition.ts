// Numbers for instrumentation scopes, and the bytes that define each on the wire.
import type { ScopeRecord } from './otlp/record.ts';
import { Writer } from './otlp/writer.ts';

const DEFINITION_BYTES_MAX = 16 * 1024;
const SCOPES_MAX = 4096;
const NAME_UNITS_MAX = 1024;
const OVERFLOW: ScopeRecord = { name: 'tricord.scope.overflow' };

/**
 * Gives every distinct scope a number, counting from 0. A definition is the `scope` (1) and `schema_url` (3) fields of
 * ScopeSpans, ScopeMetrics and ScopeLogs, ready to stand in front of their items.
 *
 * Bounded: attributes that make a definition too large are left out, and all scopes beyond the limit share one number.
 */
export class ScopeDefinitions {
  readonly #numbers = new Map<string, number>();
  readonly #definitions: Uint8Array[] = [];

  /** The same content gives the same number: the key is the encoding itself, which is injective. */
  number(scope: ScopeRecord): number {
    const definition = encode(scope);
    const key = Buffer.from(definition.buffer, definition.byteOffset, definition.length).toString('latin1');
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const count = this.#definitions.length;
    if (count >= SCOPES_MAX) return SCOPES_MAX - 1;
    this.#definitions.push(count === SCOPES_MAX - 1 ? encode(OVERFLOW) : definition);
    if (count < SCOPES_MAX - 1) this.#numbers.set(key, count);
    return count;
  }

  /** All definitions, by number. */
  all(): readonly Uint8Array[] {
    return this.#definitions;
  }
}

function encode(scope: ScopeRecord): Uint8Array {
  const writer = new Writer(new Uint8Array(DEFINITION_BYTES_MAX));
  write(writer, scope);
  if (writer.overflowed) {
    writer.reset(writer.bytes, 0, writer.bytes.length);
    const cut = (text: string | undefined): string | undefined => text?.slice(0, NAME_UNITS_MAX);
    write(writer, { name: cut(scope.name)!, version: cut(scope.version), schemaUrl: cut(scope.schemaUrl) });
  }
  return writer.bytes.slice(0, writer.pos);
}

function write(writer: Writer, scope: ScopeRecord): void {
  const mark = writer.message(1);
  writer.string(1, scope.name);
  if (scope.version) writer.string(2, scope.version);
  if (scope.attributes !== undefined) writer.attributes(3, scope.attributes);
  writer.close(mark);
  if (scope.schemaUrl) writer.string(3, scope.schemaUrl);
}
