// Against OpenTelemetry's own serializers: what they write, both ways, is read here as the same request.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import { checkRequest, requestFromJson, Signal, toJson } from '../../../src/transport/otlp/index.ts';

type Spans = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0];
type Logs = Parameters<typeof ProtobufLogsSerializer.serializeRequest>[0];
type Metrics = Parameters<typeof ProtobufMetricsSerializer.serializeRequest>[0];

const attributes = {
  text: 'GET /',
  'naïve 漢字 🦔': 'ü',
  long: 'x'.repeat(300),
  integer: 42,
  negative: -7,
  large: 2 ** 52 + 1,
  double: 1.5,
  yes: true,
  no: false,
  empty: '',
  list: ['a', 'b'],
  numbers: [1, -2, 3.5],
};

const resource = {
  attributes: { 'service.name': 'shop', 'process.pid': 1234 },
  schemaUrl: 'https://opentelemetry.io/schemas/1.40.0',
};
const instrumentationScope = { name: 'stock', version: '1.2.3', schemaUrl: 'https://scope.example/1' };

const context = {
  traceId: '5b8efff798038103d269b633813fc60c',
  spanId: 'eee19b7ec3c1b174',
  traceFlags: 1,
  traceState: { serialize: () => 'ot=th:8,vendor=value' },
};

const span = {
  name: 'GET /products/:id',
  kind: 1,
  spanContext: () => context,
  parentSpanContext: { ...context, spanId: 'eee19b7ec3c1b173', isRemote: true },
  startTime: [1544712660, 999_999_999],
  endTime: [1544712661, 1],
  status: { code: 2, message: 'went wrong' },
  attributes,
  links: [{ context, attributes: { why: 'batch' }, droppedAttributesCount: 3 }],
  events: [
    {
      name: 'exception',
      time: [1544712660, 5],
      attributes: { 'exception.type': 'Error' },
      droppedAttributesCount: 1,
    },
  ],
  duration: [0, 2],
  ended: true,
  resource,
  instrumentationScope,
  droppedAttributesCount: 1,
  droppedEventsCount: 2,
  droppedLinksCount: 300,
};
const root = {
  ...span,
  parentSpanContext: undefined,
  name: 'root',
  status: { code: 0 },
  links: [],
  events: [],
};
const spans = [span, root] as unknown as Spans;

const record = {
  hrTime: [1544712660, 7],
  hrTimeObserved: [1544712660, 8],
  spanContext: context,
  severityNumber: 9,
  severityText: 'INFO',
  body: { message: 'hello', nested: { deep: [1, { deeper: true }] }, raw: Uint8Array.of(0, 255) },
  eventName: 'user.login',
  attributes,
  droppedAttributesCount: 5,
  resource,
  instrumentationScope,
};
const logs = [record, { ...record, spanContext: undefined, body: 'plain' }] as unknown as Logs;

const point = { attributes: { route: '/' }, startTime: [1544712660, 0], endTime: [1544712670, 0] };
const histogram = {
  count: 6,
  sum: 16.5,
  min: 1,
  max: 9.25,
  buckets: { boundaries: [0.5, 1, 5], counts: [1, 0, 2, 3] },
};
const exponential = {
  count: 7,
  sum: 18,
  min: 0.5,
  max: 8,
  scale: -3,
  zeroCount: 2,
  positive: { offset: -4, bucketCounts: [1, 0, 300] },
  negative: { offset: 2, bucketCounts: [] },
};
const descriptor = (name: string, valueType: number): object => ({
  name,
  description: `about ${name}`,
  unit: 'By',
  valueType,
});
const INT = 0;
const DOUBLE = 1;
const metrics = {
  resource,
  scopeMetrics: [
    {
      scope: instrumentationScope,
      metrics: [
        {
          dataPointType: 0,
          aggregationTemporality: 0,
          descriptor: descriptor('h', DOUBLE),
          dataPoints: [{ ...point, value: histogram }],
        },
        {
          dataPointType: 1,
          aggregationTemporality: 1,
          descriptor: descriptor('e', DOUBLE),
          dataPoints: [{ ...point, value: exponential }],
        },
        {
          dataPointType: 2,
          aggregationTemporality: 1,
          descriptor: descriptor('g', DOUBLE),
          dataPoints: [{ ...point, value: -0.25 }],
        },
        {
          dataPointType: 3,
          isMonotonic: true,
          aggregationTemporality: 1,
          descriptor: descriptor('s', INT),
          dataPoints: [
            { ...point, value: 7 },
            { ...point, value: -7 },
          ],
        },
      ],
    },
  ],
} as unknown as Metrics;

/** What stays the same when defaults are left out and 64-bit integers are strings or numbers. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' ? value : String(value);
  const entries = Object.entries(value).map(([key, inner]) => [key, normal(inner)] as const);
  return Object.fromEntries(entries.filter(([key, inner]) => /Value$|^as/.test(key) || !isDefault(inner)));
}

const isDefault = (value: unknown): boolean =>
  value === '0' ||
  value === '' ||
  value === false ||
  JSON.stringify(value) === '[]' ||
  JSON.stringify(value) === '{}';

const cases = [
  [
    'traces',
    Signal.traces,
    ProtobufTraceSerializer.serializeRequest(spans),
    JsonTraceSerializer.serializeRequest(spans),
    2,
  ],
  [
    'logs',
    Signal.logs,
    ProtobufLogsSerializer.serializeRequest(logs),
    JsonLogsSerializer.serializeRequest(logs),
    2,
  ],
  [
    'metrics',
    Signal.metrics,
    ProtobufMetricsSerializer.serializeRequest(metrics),
    JsonMetricsSerializer.serializeRequest(metrics),
    5,
  ],
] as const;

describe('What OpenTelemetry JS exports', () => {
  for (const [name, signal, protobuf, json, items] of cases) {
    assert.ok(protobuf && json);
    const stock = JSON.parse(Buffer.from(json).toString()) as Record<
      string,
      { resource: { schemaUrl?: string } }[]
    >;
    // Written by the stock exporter, but no field of Resource: an unknown key that is to be ignored.
    for (const group of Object.values(stock).flat()) delete group.resource.schemaUrl;

    it(`${name}: passes the check and is counted`, () => {
      assert.equal(checkRequest(signal, protobuf), items);
      assert.equal(checkRequest(signal, requestFromJson(signal, json)), items);
    });

    it(`${name}: protobuf becomes the JSON of the stock exporter`, () => {
      assert.deepEqual(normal(JSON.parse(toJson(signal, protobuf))), normal(stock));
    });

    it(`${name}: JSON becomes protobuf of the same content`, () => {
      assert.deepEqual(normal(JSON.parse(toJson(signal, requestFromJson(signal, json)))), normal(stock));
    });
  }
});
