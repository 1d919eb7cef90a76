// Writes what of a line's values is sent: all, or what fields that are left out, replaced or listed leave of them.
import { type FieldLevel, REDACTED, Verdict } from '../field-rules.ts';
import type { Writer } from '../writer.ts';
import { CLOSE_BRACE, CLOSE_BRACKET, type LineScanner, OPEN_BRACE, OPEN_BRACKET } from './line-scanner.ts';

/** Whether another attribute tells the member whose key, of so many bytes, ends at the writer's position. */
export type IsTold = (writer: Writer, keyLength: number) => boolean;

/**
 * Reads the value at the scanner's position and writes what is sent of it as an `AnyValue` in field `field`. False, with nothing
 * written, when that is nothing.
 *
 * @param isTold members of the value, when it is an object, that are passed over
 */
export function writeSent(
  scanner: LineScanner,
  writer: Writer,
  field: number,
  level: FieldLevel,
  depth = 0,
  isTold?: IsTold,
): boolean {
  const { verdict } = level;
  const first = scanner.peek();
  if (
    first === OPEN_BRACE &&
    (verdict === Verdict.look || (verdict === Verdict.keep && isTold !== undefined))
  )
    return writeObject(scanner, writer, field, level, depth, isTold);
  if (first === OPEN_BRACKET && verdict === Verdict.look)
    return writeArray(scanner, writer, field, level, depth);
  const start = writer.pos;
  scanner.anyValue(writer, field, depth);
  if (verdict === Verdict.keep || (verdict === Verdict.look && level.kept)) return true;
  writer.rewind(start);
  if (verdict !== Verdict.redact) return false;
  writer.anyValue(field, REDACTED);
  return true;
}

function writeObject(
  scanner: LineScanner,
  writer: Writer,
  field: number,
  level: FieldLevel,
  depth: number,
  isTold: IsTold | undefined,
): boolean {
  const start = writer.pos;
  const value = writer.message(field);
  const list = writer.message(6);
  const base = scanner.members.count;
  if (scanner.enter(CLOSE_BRACE)) {
    do {
      const member = writer.pos;
      const mark = writer.message(1);
      const from = scanner.pos;
      const length = scanner.key(writer);
      const keyBehindMark = writer.pos - length - mark;
      const below = level.verdict === Verdict.look ? level.at(keyOf(scanner, from)) : level;
      const told = isTold?.(writer, length) ?? false;
      const sent = writeSent(scanner, writer, 2, below, depth + 1);
      writer.close(mark);
      if (sent && !told) scanner.noteMember(writer, base, member, mark, keyBehindMark, length);
      else writer.rewind(member);
    } while (scanner.more(CLOSE_BRACE));
  }
  const isEmpty = scanner.members.count === base;
  scanner.members.count = base;
  return close(writer, start, list, value, isEmpty && !level.kept);
}

function writeArray(
  scanner: LineScanner,
  writer: Writer,
  field: number,
  level: FieldLevel,
  depth: number,
): boolean {
  const start = writer.pos;
  const value = writer.message(field);
  const list = writer.message(5);
  let isEmpty = true;
  if (scanner.enter(CLOSE_BRACKET)) {
    for (let index = 0, more = true; more; index++, more = scanner.more(CLOSE_BRACKET)) {
      if (writeSent(scanner, writer, 1, level.at(String(index)), depth + 1)) isEmpty = false;
    }
  }
  return close(writer, start, list, value, isEmpty && !level.kept);
}

function close(writer: Writer, start: number, list: number, value: number, isNothing: boolean): boolean {
  if (isNothing) writer.rewind(start);
  else {
    writer.close(list);
    writer.close(value);
  }
  return !isNothing;
}

/** The key between `from` and the scanner's position, whole, however long a value may be. */
export function keyOf(scanner: LineScanner, from: number): string {
  const text = scanner.text(from, scanner.pos);
  return JSON.parse(text.slice(0, text.lastIndexOf(':'))) as string;
}
