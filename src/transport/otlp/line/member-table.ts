// Remembers where the members of the objects under way were written, so that the last value of a key wins.
import type { Writer } from '../writer.ts';

/** Members of one object that are compared; an object with more keeps the duplicates among the rest. */
const COMPARED_MAX = 128;
const INITIAL_SLOTS = 256;

/*
 * Member i was written at [start[i], start[i + 1]) or, the newest one, at [start[i], pos); its key's bytes at
 * [start[i] + key[i], … + length[i]). Members of an inner object lie above those of the objects around it:
 *
 *   slots   │ outer 0 │ outer 1 │ outer 2 │ inner 0 │ inner 1 │ …free
 *                                          ▲ base of the inner object
 *
 * Invariant: within one object, keys of compared members are distinct, and nothing was written between two members.
 */
export class MemberTable {
  #start = new Int32Array(INITIAL_SLOTS);
  #key = new Int32Array(INITIAL_SLOTS);
  #length = new Int32Array(INITIAL_SLOTS);
  /** Slots in use; an object's `base` is this number at its beginning, and comes back at its end. */
  count = 0;

  /**
   * Takes note of the member written at [start, writer.pos), whose key's `length` bytes lie at `key`. An earlier member of
   * the same object and key is cut out of what is written.
   */
  add(writer: Writer, base: number, start: number, key: number, length: number): void {
    const same = this.#find(writer.bytes, base, key, length);
    let shift = 0;
    if (same >= 0) {
      shift = this.#end(same, start) - this.#start[same]!;
      this.#remove(writer, same, start);
    }
    if (this.count === this.#start.length) this.#grow();
    this.#start[this.count] = start - shift;
    this.#key[this.count] = key - start;
    this.#length[this.count] = length;
    this.count++;
  }

  #find(bytes: Uint8Array, base: number, key: number, length: number): number {
    const first = bytes[key]!;
    const end = Math.min(this.count, base + COMPARED_MAX);
    for (let i = base; i < end; i++) {
      if (this.#length[i] !== length) continue;
      const other = this.#start[i]! + this.#key[i]!;
      if (bytes[other] === first && equal(bytes, key, other, length)) return i;
    }
    return -1;
  }

  #end(index: number, newest: number): number {
    return index + 1 < this.count ? this.#start[index + 1]! : newest;
  }

  #remove(writer: Writer, index: number, newest: number): void {
    const from = this.#start[index]!;
    const to = this.#end(index, newest);
    writer.bytes.copyWithin(from, to, writer.pos);
    writer.pos -= to - from;
    for (let i = index; i + 1 < this.count; i++) {
      this.#start[i] = this.#start[i + 1]! - (to - from);
      this.#key[i] = this.#key[i + 1]!;
      this.#length[i] = this.#length[i + 1]!;
    }
    this.count--;
  }

  #grow(): void {
    const double = (slots: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const larger = new Int32Array(slots.length * 2);
      larger.set(slots);
      return larger;
    };
    this.#start = double(this.#start);
    this.#key = double(this.#key);
    this.#length = double(this.#length);
  }
}

function equal(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 1; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}
