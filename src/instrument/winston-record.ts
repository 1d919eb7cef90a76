// Makes a log record of an info of winston's, as its formats have left it.
import type { AnyValue, LogRecord, SeverityNumber } from '@opentelemetry/api';
import type { ObservabilityContext } from '../index.ts';

/** What a logger hands from its formats to its transports: a plain object, or an error. */
export type Info = Record<string | symbol, unknown>;

export const LEVEL: unique symbol = Symbol.for('level');
const SPLAT = Symbol.for('splat');

const ids = ['trace_id', 'span_id', 'trace_flags'] as const;
/** Members that a record has fields for. */
const fields: ReadonlySet<string> = new Set(['level', 'message']);
const fieldsInSpan: ReadonlySet<string> = new Set([...fields, ...ids]);
/** Where an error may stand in an info. */
const errorKeys = ['message', 'err', 'error'] as const;

/** As `format.timestamp()` writes it. */
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** `TypeError: too far` and what follows, up to the first line that says where. */
const STACK_HEAD = /^([\w$.]*)(?: \[[^\]]*\])?(?:: ([\s\S]*?))?(?:\n {4}at |$)/;

export function isInfo(value: unknown): value is Info {
  return typeof value === 'object' && value !== null;
}

/** The first error that an info is, or has. */
export function errorIn(info: unknown): Error | undefined {
  if (!isInfo(info)) return undefined;
  return errorOf(info) ?? errorInSplat(info);
}

function errorOf(info: Info): Error | undefined {
  if (info instanceof Error) return info;
  for (const key of errorKeys) {
    const value = info[key];
    if (value instanceof Error) return value;
  }
  return undefined;
}

function errorInSplat(info: Info): Error | undefined {
  const splat = info[SPLAT];
  return Array.isArray(splat) ? splat.find(value => value instanceof Error) : undefined;
}

/** @param given the error that was in the info before its formats took it apart */
export function recordOf(
  info: Info,
  severityText: string,
  severityNumber: SeverityNumber,
  context: ObservabilityContext,
  given: Error | undefined,
): LogRecord {
  const exception = exceptionOf(info, given);
  const { message, timestamp } = info;
  const isTime = typeof timestamp === 'string' && ISO_TIME.test(timestamp);
  return {
    ...{ severityText, severityNumber, context },
    timestamp: isTime ? Date.parse(timestamp) : Date.now(),
    body: (message instanceof Error ? message.message : message) as AnyValue,
    attributes: attributesOf(info, context, exception !== undefined, isTime),
    ...(exception !== undefined && { exception }),
  };
}

/**
 * What formats took out or masked must not come back by our way: an error that is there no more gives its name and nothing else,
 * and where formats have made text of its stack, the text counts.
 */
function exceptionOf(info: Info, given: Error | undefined): LogRecord['exception'] {
  const error = errorOf(info);
  if (error !== undefined) return error;
  const { stack, message } = info;
  if (typeof stack === 'string') {
    const [, name, text] = STACK_HEAD.exec(stack) ?? [];
    return { name: given?.name ?? (name || 'Error'), message: text ?? '', stack };
  }
  if (given === undefined) return undefined;
  return errorInSplat(info) ?? { name: given.name, message: String(message) };
}

function attributesOf(
  info: Info,
  { identity }: ObservabilityContext,
  hasException: boolean,
  hasTime: boolean,
): NonNullable<LogRecord['attributes']> {
  const left = identity === undefined ? fields : fieldsInSpan;
  const attributes: Record<string, unknown> = {};
  for (const key in info) {
    if (left.has(key) || !Object.hasOwn(info, key)) continue;
    if ((key === 'stack' && hasException) || (key === 'timestamp' && hasTime)) continue;
    const value = info[key];
    if (value instanceof Error && errorKeys.includes(key as 'err')) addMembers(attributes, key, value);
    else attributes[key] = value;
  }
  return attributes as Record<string, AnyValue>;
}

/** What an error has beside what the exception says. */
function addMembers(attributes: Record<string, unknown>, key: string, error: Error): void {
  const members = Object.entries(error);
  if (members.length > 0) attributes[key] = Object.fromEntries(members);
}
