// Writes a serialized error, `{type, message, stack, …}`, as the attributes of an exception.
import { LogField } from '../logs.ts';
import type { Writer } from '../writer.ts';
import type { LineScanner } from './line-scanner.ts';
import { CLOSE_BRACE, QUOTE } from './line-scanner.ts';

/** The members that have an attribute of their own (semantic conventions, "Exceptions in logs"). */
const attributeOf: ReadonlyMap<string, string> = new Map([
  ['type', 'exception.type'],
  ['message', 'exception.message'],
  ['stack', 'exception.stacktrace'],
]);
/** No key longer than this is in the map. */
const KEY_LENGTH_MAX = 7;

/** Takes note of an attribute just written. */
export type Keep = (start: number, mark: number, keyBehindMark: number, length: number) => void;

/**
 * Reads the object at the scanner's position and writes those of its members that are an exception's; `keep` is
 * called for each. Returns how many members were left out.
 */
export function writeException(scanner: LineScanner, writer: Writer, keep: Keep): number {
  let others = 0;
  if (!scanner.enter(CLOSE_BRACE)) return others;
  do {
    const start = writer.pos;
    const attribute = attributeAt(writer, scanner.key(writer), scanner);
    writer.rewind(start);
    if (attribute === undefined) {
      others++;
      scanner.value(writer);
      writer.rewind(start);
    } else {
      const mark = writer.message(LogField.attributes);
      writer.string(1, attribute);
      const key = writer.pos - attribute.length;
      scanner.anyValue(writer, 2);
      writer.close(mark);
      keep(start, mark, key - mark, attribute.length);
    }
  } while (scanner.more(CLOSE_BRACE));
  return others;
}

/** Reads the object at the scanner's position and writes the members that {@link writeException} leaves out, as an `AnyValue` in field 2. */
export function writeOtherMembers(scanner: LineScanner, writer: Writer): void {
  const value = writer.message(2);
  const list = writer.message(6);
  const base = scanner.members.count;
  scanner.enter(CLOSE_BRACE);
  do {
    const start = writer.pos;
    const mark = writer.message(1);
    const length = scanner.key(writer);
    const key = writer.pos - length;
    const skip = attributeAt(writer, length, scanner) !== undefined;
    scanner.anyValue(writer, 2);
    writer.close(mark);
    if (skip) writer.rewind(start);
    else scanner.noteMember(writer, base, start, mark, key - mark, length);
  } while (scanner.more(CLOSE_BRACE));
  scanner.members.count = base;
  writer.close(list);
  writer.close(value);
}

/** The attribute for the key that ends at the writer's position, if the value that follows is a string. */
function attributeAt(writer: Writer, length: number, scanner: LineScanner): string | undefined {
  if (length > KEY_LENGTH_MAX || scanner.peek() !== QUOTE) return undefined;
  return attributeOf.get(writer.textSince(writer.pos - length));
}
