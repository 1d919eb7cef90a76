// Names the field in which an offset lies. Runs on failure only, so that the check itself need not know where it is.
import { Reader, WireError } from './reader.ts';
import type { MessageType } from './schema.ts';
import { WireType } from './writer.ts';

/** Longer paths (values nested a hundred deep) are cut in the middle. */
const PLACE_LENGTH_MAX = 200;

/** The same error with its place in a message of this type; anything but a nameless WireError comes back as it is. */
export function nameFault(type: MessageType, bytes: Uint8Array, error: unknown): unknown {
  if (!(error instanceof WireError) || error.place !== '') return error;
  const place = placeOf(type, bytes, error.offset);
  return new WireError(error.reason, error.offset, place, { cause: error });
}

function placeOf(type: MessageType, bytes: Uint8Array, offset: number): string {
  const path: string[] = [];
  try {
    descend(new Reader(bytes), type, offset, path);
  } catch {
    // The fault itself: the path leads to it.
  }
  return shortened(path.join('.'));
}

/** A path of bearable length. */
export function shortened(place: string): string {
  if (place.length <= PLACE_LENGTH_MAX) return place;
  return `${place.slice(0, PLACE_LENGTH_MAX / 2)}…${place.slice(-PLACE_LENGTH_MAX / 2)}`;
}

/** Appends to `path` the fields that contain `offset`, the innermost last. */
function descend(reader: Reader, type: MessageType, offset: number, path: string[]): void {
  const counts = new Map<number, number>();
  while (reader.more() && reader.pos <= offset) {
    const tag = reader.tag();
    const field = type.byNumber.get(tag >>> 3);
    const index = counts.get(tag) ?? 0;
    counts.set(tag, index + 1);
    const name =
      field === undefined ? `field ${tag >>> 3}` : field.repeated ? `${field.name}[${index}]` : field.name;
    path.push(name);
    if (field?.message && (tag & 7) === WireType.len) {
      const outer = reader.enter();
      if (offset < reader.end) return descend(reader, field.message, offset, path);
      reader.leave(outer);
    } else reader.skip(tag);
    if (reader.pos > offset) return;
    path.pop();
  }
}
