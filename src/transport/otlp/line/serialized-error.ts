// Writes a serialized error, `{type, message, stack, …}`, as the attributes of an exception.
import type { FieldLevel } from '../field-rules.ts';
import { LogField } from '../logs.ts';
import type { Writer } from '../writer.ts';
import { type IsTold, writeSent } from './line-fields.ts';
import type { LineScanner } from './line-scanner.ts';
import { CLOSE_BRACE, OPEN_BRACE, QUOTE } from './line-scanner.ts';

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
 * called for each. Returns how many members were left out, those that `fields` do not let through apart.
 */
export function writeException(
  scanner: LineScanner,
  writer: Writer,
  keep: Keep,
  fields: FieldLevel | undefined,
): number {
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
      let sent = true;
      if (fields === undefined) scanner.anyValue(writer, 2);
      else sent = writeSent(scanner, writer, 2, fields.at(attribute));
      writer.close(mark);
      if (sent) keep(start, mark, key - mark, attribute.length);
      else writer.rewind(start);
    }
  } while (scanner.more(CLOSE_BRACE));
  return others;
}

/**
 * Reads the object at the scanner's position and calls `found` at each value that is an object and whose key is an error's; `found`
 * reads it. Nothing else is written.
 */
export function eachError(scanner: LineScanner, writer: Writer, isError: IsTold, found: () => void): void {
  if (!scanner.enter(CLOSE_BRACE)) return;
  do {
    const start = writer.pos;
    const isObject = isError(writer, scanner.key(writer)) && scanner.peek() === OPEN_BRACE;
    writer.rewind(start);
    if (isObject) found();
    else {
      scanner.value(writer);
      writer.rewind(start);
    }
  } while (scanner.more(CLOSE_BRACE));
}

/** Whether an attribute of the exception tells the member whose key ends at the writer's position. */
export const isOfException = (writer: Writer, length: number, scanner: LineScanner): boolean =>
  attributeAt(writer, length, scanner) !== undefined;

/** The attribute for the key that ends at the writer's position, if the value that follows is a string. */
function attributeAt(writer: Writer, length: number, scanner: LineScanner): string | undefined {
  if (length > KEY_LENGTH_MAX || scanner.peek() !== QUOTE) return undefined;
  return attributeOf.get(writer.textSince(writer.pos - length));
}
