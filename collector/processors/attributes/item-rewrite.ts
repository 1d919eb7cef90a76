// Copies a request with its spans or log records edited, everything else byte for byte: unknown fields too.
import { Reader, WireType, Writer } from 'tricord/otlp';

/** The way to a span or log record: `resource_spans = 1`, `scope_spans = 2`, `spans = 2`, and the same for logs. */
const WAY = [1, 2, 2] as const;

/** Of one item's bytes: the new ones, or null when it stays as it is. */
export type EditItem = (item: Uint8Array) => Uint8Array | null;

/** The request with every item edited; itself when all stay as they are. The request is well-formed. */
export function rewriteItems(request: Uint8Array, edit: EditItem): Uint8Array {
  let changed = false;
  const track: EditItem = item => {
    const edited = edit(item);
    if (edited !== null) changed = true;
    return edited;
  };
  for (let size = request.length + 1024; ; size *= 2) {
    const writer = new Writer(new Uint8Array(size));
    copy(new Reader(request), writer, 0, track);
    if (!changed) return request;
    if (!writer.overflowed) return writer.bytes.subarray(0, writer.pos);
  }
}

function copy(reader: Reader, writer: Writer, depth: number, edit: EditItem): void {
  const field = WAY[depth]!;
  while (reader.more()) {
    const start = reader.pos;
    const tag = reader.tag();
    if (tag !== field * 8 + WireType.len) {
      reader.skip(tag);
      writer.raw(reader.bytes.subarray(start, reader.pos));
    } else if (depth === WAY.length - 1) {
      const item = reader.view();
      writer.blob(field, edit(item) ?? item);
    } else {
      const mark = writer.message(field);
      const outer = reader.enter();
      copy(reader, writer, depth + 1, edit);
      reader.leave(outer);
      writer.close(mark);
    }
  }
}
