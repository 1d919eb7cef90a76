// A line of a logger becomes one log record that passes the check, and is taken apart exactly when JSON.parse reads an object.
import fc from 'fast-check';
import { checkRequest, Signal, Writer } from 'tricord/otlp';
import { encodeLine, type LineFacts } from '../../../../src/transport/otlp/line/line-frame.ts';
import { LineReaders, recordBytesMax } from '../../../../src/transport/otlp/line/line-reader.ts';
import * as wire from '../../../transport/otlp/wire.ts';
import { bytesOf, chosen, type Decoder, holds } from '../decoder.ts';
import { bodyOf } from '../requests.ts';

const keys = JSON.stringify({ level: 'severity', time: '@timestamp', message: 'message' });
const identity = { t0: 1, t1: 2, t2: 3, t3: 4, s0: 5, s1: 6, traceFlags: 1 };
const labels = { keys: ['tenant'], values: ['blue'], count: 1 };
const head = { level: '{"level":30', time: ',"time":1700000000000', context: '', bindings: ',"pid":7' };
const headText = Object.values(head).join('');

const readers = new LineReaders();

/** What the first byte says of the line, bit by bit. */
function factsOf(choice: number, line: string): LineFacts {
  return {
    attributesMax: choice & 1 ? 2 : 128,
    valueLengthMax: choice & 2 ? 5 : 65_536,
    keys: choice & 4 ? keys : '',
    head: choice & 8 && line.startsWith(headText) ? head : undefined,
    identity: choice & 16 ? identity : undefined,
    labels: choice & 32 ? labels : { keys: [], values: [], count: 0 },
    observedTime: choice & 64 ? 1_000_000 : undefined,
  };
}

function isObject(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** What lies deeper than 32 levels is kept as text, well-formed or not. */
const mayBeDeep = (line: string): boolean => (line.match(/[[{]/g)?.length ?? 0) > 32;

const text = `${headText},"msg":"hello é","n":-1.5e3,"big":12345678901234567890,"list":[1,{"a":null}],"err":{"type":"E","message":"m","stack":"s"}}\n`;

const nested = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;

export const decoder: Decoder = {
  seeds: [0, 8, 127].map(choice => chosen(choice, text)),
  words: bytesOf(
    ...[
      '"',
      '\\',
      '{',
      '}',
      '[',
      ',',
      ':',
      '\\u00e9',
      '\\ud83e',
      '"msg":',
      '"level":"warn",',
      '"time":"noon",',
    ],
    headText,
  ),
  inputs: fc
    .tuple(fc.nat(127), fc.oneof(fc.json({ maxDepth: 3 }), fc.nat(60).map(nested), fc.constant(text)))
    .map(([choice, line]) => chosen(choice, line)),
  read(input) {
    const line = Buffer.from(bodyOf(input)).toString();
    const frame = new Writer(new Uint8Array(3 * line.length + 512));
    encodeLine(frame, line, factsOf(input[0] ?? 0, line));
    const bytes = Buffer.from(frame.bytes.subarray(0, frame.pos));
    const record = new Writer(new Uint8Array(recordBytesMax(bytes.length)));
    const { malformed } = readers.counters;
    readers.read(bytes, 0, bytes.length, record);
    holds(!record.overflowed, 'a record that does not fit');
    const request = wire.len(1, wire.len(2, record.bytes.subarray(0, record.pos)));
    holds(checkRequest(Signal.logs, request) === 1, 'not one record');
    const taken = readers.counters.malformed === malformed;
    const is = isObject(line);
    holds(taken || !is, 'an object, and not taken apart');
    holds(is || !taken || mayBeDeep(line), 'taken apart, and no object');
    return taken ? 'read' : 'refused';
  },
};
