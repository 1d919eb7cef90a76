// Baggage as W3C defines it: an immutable set of entries, read from and written to the `baggage` header.

import type { BaggageEntry, Baggage as OtelBaggage } from '@opentelemetry/api';
import { baggageEntryMetadataFromString } from '@opentelemetry/api';
import { limits } from '../limits.ts';

/** A token of RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Properties are sent as they came, so they must be what a header may hold. */
const METADATA = /^[\t -~]*$/;
const PERCENT_OCTETS = /(?:%[0-9A-Fa-f]{2})+/g;

export class Baggage implements OtelBaggage {
  static readonly empty: Baggage = new Baggage(new Map());

  readonly #entries: ReadonlyMap<string, BaggageEntry>;

  constructor(entries: ReadonlyMap<string, BaggageEntry>) {
    this.#entries = entries;
  }

  get size(): number {
    return this.#entries.size;
  }

  getEntry(key: string): BaggageEntry | undefined {
    const entry = this.#entries.get(key);
    return entry && { ...entry };
  }

  getAllEntries(): [string, BaggageEntry][] {
    return [...this.#entries].map(([key, entry]) => [key, { ...entry }]);
  }

  setEntry(key: string, entry: BaggageEntry): Baggage {
    return new Baggage(new Map(this.#entries).set(key, { ...entry }));
  }

  removeEntry(key: string): Baggage {
    return this.removeEntries(key);
  }

  removeEntries(...keys: string[]): Baggage {
    const entries = new Map(this.#entries);
    for (const key of keys) entries.delete(key);
    return new Baggage(entries);
  }

  clear(): Baggage {
    return Baggage.empty;
  }
}

/**
 * Reads a `baggage` header (W3C Baggage §3.2): malformed entries are skipped, entries beyond 64 or beyond 8192 bytes
 * are ignored, the last entry of a key counts. Undefined when nothing is left. Never throws.
 */
export function parseBaggage(header: string): Baggage | undefined {
  const entries = new Map<string, BaggageEntry>();
  let start = 0;
  while (start < header.length && entries.size < limits.baggage_entries_max) {
    const comma = header.indexOf(',', start);
    const end = comma < 0 ? header.length : comma;
    if (end > limits.baggage_bytes_max) break;
    parseMember(header.slice(start, end), entries);
    start = end + 1;
  }
  return entries.size === 0 ? undefined : new Baggage(entries);
}

function parseMember(member: string, entries: Map<string, BaggageEntry>): void {
  const semicolon = member.indexOf(';');
  const pair = semicolon < 0 ? member : member.slice(0, semicolon);
  const split = pair.indexOf('=');
  if (split < 0) return;
  const key = pair.slice(0, split).trim();
  if (!TOKEN.test(key)) return;
  const value = percentDecode(pair.slice(split + 1).trim());
  const metadata = semicolon < 0 ? '' : member.slice(semicolon + 1).trim();
  entries.set(
    key,
    metadata === '' ? { value } : { value, metadata: baggageEntryMetadataFromString(metadata) },
  );
}

/**
 * The `baggage` header of any OpenTelemetry baggage, within 64 entries and 8192 bytes; entries that do not fit or
 * whose key is no token are left out. Undefined when nothing is left.
 */
export function serializeBaggage(baggage: OtelBaggage): string | undefined {
  const members: string[] = [];
  let length = -1;
  for (const [key, entry] of baggage.getAllEntries()) {
    if (members.length === limits.baggage_entries_max) break;
    const member = memberOf(key, entry);
    if (member === undefined || length + 1 + member.length > limits.baggage_bytes_max) continue;
    length += 1 + member.length;
    members.push(member);
  }
  return members.length === 0 ? undefined : members.join(',');
}

/** Undefined for an entry that no header can hold, and for one that is none. */
function memberOf(key: string, entry: BaggageEntry): string | undefined {
  try {
    if (!TOKEN.test(key)) return undefined;
    const value = encodeURIComponent(String(entry.value).toWellFormed());
    const metadata = String(entry.metadata ?? '');
    const isSent = metadata !== '' && METADATA.test(metadata) && !metadata.includes(',');
    return isSent ? `${key}=${value};${metadata}` : `${key}=${value}`;
  } catch {
    return undefined;
  }
}

/**
 * Decodes percent-encoded UTF-8. A bare `%` stays what it is; octets that are not UTF-8 become U+FFFD (W3C Baggage
 * §3.3.1.1.3). Never throws.
 */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(PERCENT_OCTETS, octets =>
    Buffer.from(octets.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}
