// Malformed and odd OTLP/JSON, item by item.
import { Signal } from 'tricord/otlp';
import { notUtf8 } from '../../../transport/otlp/malformed.ts';
import { type Answer, type CaseItem, type InputCase, thinned } from './input-case.ts';

type Message = readonly [signal: Signal, json: string | Uint8Array, answer: Answer, items?: number];

const ids = '"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"';
const spanOf = (fields: string): string => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`;
const logOf = (fields: string): string => `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${fields}}]}]}]}`;
const pointOf = (fields: string): string =>
  `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{${fields}}]}}]}]}]}`;
const nested = (depth: number): string =>
  logOf(`"body":${'{"arrayValue":{"values":['.repeat(depth - 1)}{}${']}}'.repeat(depth - 1)}`);
const brackets = (depth: number): string => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`;

const taken = (signal: Signal, json: string): Message => [signal, json, 'taken', 1];
const malformed = (signal: Signal, json: string | Uint8Array): Message => [signal, json, 'malformed'];
const cutAtEach = (signal: Signal, text: string): Message[] =>
  Array.from({ length: text.length }, (_, size) => malformed(signal, text.slice(0, size)));

const items: Readonly<Partial<Record<CaseItem, () => readonly Message[]>>> = {
  '64-bit numbers as strings': () => [
    ...['"1544712660000000001"', '1544712660000000001', '"18446744073709551615"'].map(time =>
      taken(Signal.traces, spanOf(`${ids},"startTimeUnixNano":${time}`)),
    ),
    ...['"18446744073709551616"', '-1', '""', '"1x"'].map(time =>
      malformed(Signal.logs, logOf(`"timeUnixNano":${time}`)),
    ),
  ],
  'enum names': () => [
    taken(Signal.traces, spanOf(`${ids},"kind":"SPAN_KIND_SERVER"`)),
    taken(Signal.logs, logOf('"severityNumber":"SEVERITY_NUMBER_ERROR3"')),
    malformed(Signal.traces, spanOf(`${ids},"kind":"SERVER"`)),
  ],
  'deep arrays': () => [
    [Signal.logs, brackets(511), 'taken'],
    ...[512, 10_000, 100_000].map(depth => malformed(Signal.logs, brackets(depth))),
    malformed(Signal.traces, '{"x":'.repeat(100_000)),
  ],
  'duplicate keys': () => [
    taken(Signal.traces, spanOf(`${ids},"name":"first","name":"last",${ids}`)),
    taken(Signal.metrics, pointOf('"asInt":"1","asInt":"2"')),
    taken(Signal.logs, logOf('"severity_text":"a","severityText":"b"')),
  ],
  'truncation at each byte': () => [
    ...cutAtEach(Signal.traces, spanOf(`${ids},"attributes":[{"key":"k","value":{"doubleValue":1.5}}]`)),
    ...cutAtEach(Signal.metrics, pointOf('"asDouble":"NaN"')),
    ...cutAtEach(Signal.logs, logOf('"body":{"stringValue":"\\u00e9"}')),
  ],
  'nested values': () => [
    taken(Signal.logs, nested(100)),
    ...[101, 1000, 100_000].map(depth => malformed(Signal.logs, nested(depth))),
  ],
  'text that is no UTF-8': () =>
    notUtf8.map(hex =>
      malformed(
        Signal.logs,
        Buffer.from(logOf(`"severityText":"~"`))
          .toString('latin1')
          .split('~')
          .map(part => Buffer.from(part))
          .reduce((before, after) => Buffer.concat([before, Buffer.from(hex, 'hex'), after])),
      ),
    ),
  'unknown fields': () => [
    taken(Signal.traces, spanOf(`${ids},"unknown":{"a":[1,{"b":null}]},"__proto__":{"polluted":1}`)),
    taken(Signal.logs, logOf('"constructor":[],"toString":{}')),
  ],
  NaN: () => [
    ...['"NaN"', '"Infinity"', '"-Infinity"'].map(value =>
      taken(Signal.metrics, pointOf(`"asDouble":${value}`)),
    ),
    ...['NaN', 'Infinity', '"nan"'].map(value => malformed(Signal.metrics, pointOf(`"asDouble":${value}`))),
  ],
  'IDs of a wrong length': () =>
    ['', '5b', '5b8efff798038103d269b633813fc60c00', 'g'.repeat(32)].map(id =>
      malformed(Signal.traces, spanOf(`"traceId":"${id}","spanId":"eee19b7ec3c1b174"`)),
    ),
};

export const jsonCases: readonly InputCase[] = (
  Object.entries(items) as [CaseItem, () => readonly Message[]][]
).map(([item, messages]) => ({
  item,
  name: 'json',
  async run(target, percent) {
    const all = thinned(messages(), percent);
    for (const [signal, json, answer, number] of all)
      await target.expect('json', signal, Buffer.from(json as string), answer, number);
    return all.length;
  },
}));
