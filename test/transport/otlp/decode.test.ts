// The push decoders: every field of the three signals, in any order, merged where they come in parts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type AnyValue,
  type DecodedLogRecord,
  type DecodedMetric,
  type DecodedSpan,
  decodeLogs,
  decodeMetrics,
  decodeTraces,
  WireError,
  Writer,
} from '../../../src/transport/otlp/index.ts';
import * as wire from './wire.ts';

function spansOf(bytes: Uint8Array): DecodedSpan[] {
  const spans: DecodedSpan[] = [];
  decodeTraces(bytes, { span: span => spans.push(span) });
  return spans;
}

function logOf(...fields: Uint8Array[]): DecodedLogRecord {
  const records: DecodedLogRecord[] = [];
  decodeLogs(wire.request(wire.bytes(...fields)), { logRecord: record => records.push(record) });
  return records[0]!;
}

function metricOf(...fields: Uint8Array[]): DecodedMetric {
  const metrics: DecodedMetric[] = [];
  decodeMetrics(wire.request(wire.bytes(...fields)), { metric: metric => metrics.push(metric) });
  return metrics[0]!;
}

const body = (...value: Uint8Array[]): AnyValue => logOf(wire.len(5, ...value)).body;

describe('decodeTraces', () => {
  const event = [
    wire.fixed64(1, 5n),
    wire.len(2, 'exception'),
    wire.attribute(3, 'k', wire.int(2, 1)),
    wire.int(4, 6),
  ];
  const link = [
    wire.traceId(1),
    wire.spanId(2),
    wire.len(3, 'a=b'),
    wire.attribute(4, 'l', wire.int(3, -1)),
    wire.int(5, 7),
    wire.fixed32(6, 0x301),
  ];
  const fields = [
    wire.traceId(1),
    wire.spanId(2),
    wire.len(3, 'ot=th:8'),
    wire.len(4, new Uint8Array(8).fill(3)),
    wire.len(5, 'GET /'),
    wire.int(6, 2),
    wire.fixed64(7, 1544712660000000001n),
    wire.fixed64(8, 1544712661000000002n),
    wire.attribute(9, 'one', wire.len(1, 'é')),
    wire.attribute(9, 'two', wire.double(4, 2.5)),
    wire.int(10, 1),
    wire.len(11, ...event),
    wire.int(12, 2),
    wire.len(13, ...link),
    wire.int(14, 300),
    wire.len(15, wire.len(2, 'bad'), wire.int(3, 2)),
    wire.fixed32(16, 0x101),
    wire.len(99, 'unknown'),
  ];
  const expected = {
    traceId: new Uint8Array(16).fill(1),
    spanId: new Uint8Array(8).fill(2),
    parentSpanId: new Uint8Array(8).fill(3),
    traceState: 'ot=th:8',
    flags: 0x101,
    name: 'GET /',
    kind: 2,
    startTimeUnixNano: 1544712660000000001n,
    endTimeUnixNano: 1544712661000000002n,
    droppedAttributesCount: 1,
    events: [
      {
        timeUnixNano: 5n,
        name: 'exception',
        attributes: [{ key: 'k', value: true }],
        droppedAttributesCount: 6,
      },
    ],
    droppedEventsCount: 2,
    links: [
      {
        traceId: new Uint8Array(16).fill(1),
        spanId: new Uint8Array(8).fill(2),
        traceState: 'a=b',
        attributes: [{ key: 'l', value: -1 }],
        droppedAttributesCount: 7,
        flags: 0x301,
      },
    ],
    droppedLinksCount: 300,
    statusCode: 2,
    statusMessage: 'bad',
  };
  const attributes = [
    { key: 'one', value: 'é' },
    { key: 'two', value: 2.5 },
  ];

  it('reads every field of a span, in any order', () => {
    const ascending = wire.bytes(...fields);
    const descending = wire.bytes(...fields.toReversed());
    const [first, second] = spansOf(wire.request(ascending, descending));
    assert.deepEqual(first, { ...expected, attributes, bytes: ascending });
    assert.deepEqual(second, { ...expected, attributes: attributes.toReversed(), bytes: descending });
  });

  it('hands over resource, scope and spans in this order, wherever they lie', () => {
    const resource = wire.len(1, wire.attribute(1, 'service.name', wire.len(1, 'shop')), wire.int(2, 9));
    const scope = wire.len(
      1,
      wire.len(1, 'express'),
      wire.len(2, '5.0'),
      wire.attribute(3, 's', wire.int(3, 1)),
      wire.int(4, 8),
    );
    const scopeSpans = wire.len(
      2,
      wire.len(2, wire.len(5, 'a')),
      wire.len(3, 'scope url'),
      wire.len(2, wire.len(5, 'b')),
      scope,
    );
    const seen: unknown[] = [];
    decodeTraces(
      wire.bytes(wire.len(1, scopeSpans, wire.len(3, 'resource url'), wire.len(2), resource), wire.len(1)),
      {
        resource: ({ bytes, ...rest }) => seen.push({ ...rest, size: bytes.length }),
        scope: ({ bytes, ...rest }) => seen.push({ ...rest, size: bytes.length }),
        span: ({ name }) => seen.push(name),
      },
    );
    const none = { attributes: [], droppedAttributesCount: 0, schemaUrl: '', size: 0 };
    assert.deepEqual(seen, [
      {
        attributes: [{ key: 'service.name', value: 'shop' }],
        droppedAttributesCount: 9,
        schemaUrl: 'resource url',
        size: resource.length - 2,
      },
      {
        name: 'express',
        version: '5.0',
        attributes: [{ key: 's', value: 1 }],
        droppedAttributesCount: 8,
        schemaUrl: 'scope url',
        size: scope.length - 2,
      },
      'a',
      'b',
      { name: '', version: '', ...none },
      none,
    ]);
  });

  it('merges a resource that comes in parts, its bytes as well', () => {
    const parts = ['a', 'b'].map(key => wire.attribute(1, key, wire.int(3, 1)));
    const request = wire.len(1, wire.len(1, parts[0]!), wire.len(2), wire.len(1, parts[1]!));
    decodeTraces(request, {
      resource(resource) {
        assert.deepEqual(
          resource.attributes.map(({ key }) => key),
          ['a', 'b'],
        );
        assert.deepEqual(new Uint8Array(resource.bytes), wire.bytes(...parts));
      },
      span: () => assert.fail('there is none'),
    });
  });

  it('gives views of the request, not copies', () => {
    const request = wire.request(wire.ids);
    const [span] = spansOf(request);
    assert.equal(span!.traceId.buffer, request.buffer);
    request.fill(0x55);
    assert.equal(span!.traceId[0], 0x55);
  });

  it('names the place of a fault, and lets the visitor’s own errors pass', () => {
    const bad = wire.request(wire.bytes(wire.ids, wire.tag(5, 2), [9]));
    assert.throws(
      () => spansOf(bad),
      /^WireError: resource_spans\[0\]\.scope_spans\[0\]\.spans\[0\]\.name: a length of 9/,
    );
    const own = new Error('mine');
    const span = (): never => {
      throw own;
    };
    assert.throws(() => decodeTraces(wire.request(wire.ids), { span }), own);
  });
});

describe('decodeLogs', () => {
  it('reads every field of a log record', () => {
    const fields = wire.bytes(
      wire.fixed64(1, 11n),
      wire.int(2, 17),
      wire.len(3, 'ERROR'),
      wire.len(5, wire.len(1, 'text')),
      wire.attribute(6, 'k', wire.len(1, 'v')),
      wire.int(7, 2),
      wire.fixed32(8, 1),
      wire.traceId(9),
      wire.spanId(10),
      wire.fixed64(11, 12n),
      wire.len(12, 'user.login'),
    );
    assert.deepEqual(logOf(fields), {
      timeUnixNano: 11n,
      observedTimeUnixNano: 12n,
      severityNumber: 17,
      severityText: 'ERROR',
      eventName: 'user.login',
      body: 'text',
      attributes: [{ key: 'k', value: 'v' }],
      droppedAttributesCount: 2,
      flags: 1,
      traceId: new Uint8Array(16).fill(1),
      spanId: new Uint8Array(8).fill(2),
      bytes: fields,
    });
  });
});

describe('Values', () => {
  it('become what AnyValue says, integers exact beyond the safe ones', () => {
    assert.equal(body(), undefined);
    assert.equal(body(wire.int(3, 2n ** 53n - 1n)), 2 ** 53 - 1);
    assert.equal(body(wire.int(3, 2n ** 53n)), 2n ** 53n);
    assert.equal(body(wire.int(3, -(2n ** 63n))), -(2n ** 63n));
    assert.equal(body(wire.int(2, 0)), false);
    assert.deepEqual(body(wire.len(7, [1, 2])), Uint8Array.of(1, 2));
    assert.deepEqual(body(wire.len(5, wire.len(1), wire.len(1, wire.len(1, 'a')))), [undefined, 'a']);
    assert.equal(body(wire.len(1, 'first'), wire.len(1, 'last')), 'last');
  });

  it('keep __proto__, constructor and toString as keys like any other', () => {
    const keys = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const value = body(wire.len(6, ...keys.map(key => wire.attribute(1, key, wire.len(1, key)))));
    assert.equal(Object.getPrototypeOf(value), null);
    assert.deepEqual(
      Object.entries(value as object),
      keys.map(key => [key, key]),
    );
    assert.equal(Object.hasOwn(Object.prototype, '0'), false);
  });

  it('that come in parts are merged, as protobuf merges: the same kind continues, another one replaces', () => {
    const array = (...texts: string[]): Uint8Array =>
      wire.len(5, ...texts.map(text => wire.len(1, wire.len(1, text))));
    const list = (key: string): Uint8Array => wire.len(6, wire.attribute(1, key, wire.int(3, 1)));
    assert.deepEqual(body(array('a'), array('b', 'c')), ['a', 'b', 'c']);
    assert.deepEqual({ ...(body(list('a'), list('b')) as object) }, { a: 1, b: 1 });
    assert.deepEqual(body(array('a'), wire.len(1, 'text'), array('b')), ['b']);
    assert.deepEqual(body(list('a'), array('b')), ['b']);
    assert.deepEqual(logOf(wire.len(5, array('a')), wire.len(5), wire.len(5, array('b'))).body, ['a', 'b']);
    const attribute = wire.len(6, wire.len(1, 'k'), wire.len(2, wire.len(1, 'kept')), wire.len(2));
    assert.deepEqual(logOf(attribute).attributes, [{ key: 'k', value: 'kept' }]);
  });

  it('survive a round through the writer', () => {
    const value = { list: [1, 'a', { deep: [true, null] }], big: 2n ** 60n, bytes: Uint8Array.of(9) };
    const writer = new Writer(new Uint8Array(500));
    writer.anyValue(5, value);
    const decoded = logOf(writer.bytes.slice(0, writer.pos)).body;
    const again = new Writer(new Uint8Array(500));
    again.anyValue(5, decoded);
    assert.deepEqual(again.bytes, writer.bytes);
  });

  it('are refused when nested deeper than 100', () => {
    let value = wire.bytes();
    for (let i = 1; i < 100; i++) value = wire.len(5, wire.len(1, value));
    assert.ok(Array.isArray(body(value)));
    assert.throws(() => body(wire.len(5, wire.len(1, value))), WireError);
  });
});

describe('decodeMetrics', () => {
  const times = [wire.fixed64(2, 1n), wire.fixed64(3, 2n)];
  const exemplar = [
    wire.fixed64(2, 3n),
    wire.double(3, 0.5),
    wire.spanId(4),
    wire.traceId(5),
    wire.attribute(7, 'f', wire.int(2, 1)),
  ];
  const decodedExemplar = {
    timeUnixNano: 3n,
    value: 0.5,
    traceId: new Uint8Array(16).fill(1),
    spanId: new Uint8Array(8).fill(2),
    filteredAttributes: [{ key: 'f', value: true }],
  };
  const common = { startTimeUnixNano: 1n, timeUnixNano: 2n, attributes: [{ key: 'a', value: 1 }] };
  const words = (field: number, ...values: bigint[]): Uint8Array =>
    wire.len(field, ...values.map(value => wire.fixed64(1, value).subarray(1)));
  const doubles = (field: number, ...values: number[]): Uint8Array =>
    wire.len(field, ...values.map(value => wire.double(1, value).subarray(1)));

  it('reads a metric and its gauge, with integers, doubles and no value at all', () => {
    const points = [
      wire.len(
        1,
        ...times,
        wire.double(4, 1.5),
        wire.len(5, ...exemplar),
        wire.attribute(7, 'a', wire.int(3, 1)),
      ),
      wire.len(1, wire.fixed64(6, -3n)),
      wire.len(1, wire.fixed64(6, 2n ** 62n)),
      wire.len(1, wire.int(8, 1)),
    ];
    const metadata = wire.attribute(12, 'm', wire.len(1, 'd'));
    const metric = metricOf(
      wire.len(1, 'name'),
      wire.len(2, 'about'),
      wire.len(3, 'By'),
      wire.len(5, ...points),
      metadata,
    );
    assert.deepEqual([metric.name, metric.description, metric.unit], ['name', 'about', 'By']);
    assert.deepEqual(metric.metadata, [{ key: 'm', value: 'd' }]);
    const none = { attributes: [], startTimeUnixNano: 0n, timeUnixNano: 0n, flags: 0, exemplars: [] };
    assert.deepEqual(metric.data, {
      type: 'gauge',
      points: [
        { ...common, flags: 0, value: 1.5, exemplars: [decodedExemplar] },
        { ...none, value: -3 },
        { ...none, value: 2n ** 62n },
        { ...none, value: undefined, flags: 1 },
      ],
      temporality: 0,
      monotonic: false,
    });
  });

  it('reads a sum, also one that comes in parts', () => {
    const one = wire.len(1, wire.fixed64(6, 1n));
    const { data } = metricOf(wire.len(7, one, wire.int(2, 2)), wire.len(7, one, wire.int(3, 1)));
    assert.deepEqual(
      [data?.type, data?.points.length, data?.temporality, data?.monotonic],
      ['sum', 2, 2, true],
    );
    assert.equal(metricOf(wire.len(7, one), wire.len(5)).data?.type, 'gauge', 'the last kind counts');
    assert.equal(metricOf(wire.len(99, one)).data, undefined);
  });

  it('steps over the fields of other kinds: only a sum is monotonic, a gauge and a summary have no temporality', () => {
    for (const [field, temporality, monotonic] of [
      [5, 0, false],
      [7, 2, true],
      [9, 2, false],
      [10, 2, false],
      [11, 0, false],
    ] as const) {
      const { data } = metricOf(wire.len(field, wire.int(2, 2), wire.int(3, 1)));
      assert.deepEqual([data?.temporality, data?.monotonic], [temporality, monotonic], `field ${field}`);
    }
  });

  it('reads a histogram, packed or not', () => {
    const rest = [
      ...times,
      wire.fixed64(4, 6n),
      wire.double(5, 16.5),
      wire.len(8, ...exemplar),
      wire.attribute(9, 'a', wire.int(3, 1)),
      wire.int(10, 0),
      wire.double(11, 1),
      wire.double(12, 9),
    ];
    const packed = [words(6, 1n, 5n), doubles(7, 0.5)];
    const single = [wire.fixed64(6, 1n), wire.fixed64(6, 5n), wire.double(7, 0.5)];
    for (const numbers of [packed, single, [words(6, 1n), wire.fixed64(6, 5n), doubles(7, 0.5)]]) {
      const { data } = metricOf(wire.len(9, wire.len(1, ...rest, ...numbers), wire.int(2, 1)));
      const point = {
        ...common,
        flags: 0,
        count: 6,
        sum: 16.5,
        min: 1,
        max: 9,
        bucketCounts: [1, 5],
        explicitBounds: [0.5],
        exemplars: [decodedExemplar],
      };
      assert.deepEqual(data, { type: 'histogram', points: [point], temporality: 1, monotonic: false });
    }
  });

  it('tells sum, min and max that are zero from those that are absent', () => {
    const { data } = metricOf(
      wire.len(9, wire.len(1), wire.len(1, wire.double(5, 0), wire.double(11, 0), wire.double(12, 0))),
    );
    assert.ok(data?.type === 'histogram');
    assert.deepEqual(
      data.points.map(({ sum, min, max }) => [sum, min, max]),
      [
        [undefined, undefined, undefined],
        [0, 0, 0],
      ],
    );
  });

  it('reads an exponential histogram', () => {
    const point = wire.len(
      1,
      wire.attribute(1, 'a', wire.int(3, 1)),
      ...times,
      wire.fixed64(4, 7n),
      wire.double(5, 18),
      wire.int(6, 5),
      wire.fixed64(7, 2n),
      wire.len(8, wire.int(1, 7), wire.len(2, wire.varint(1), wire.varint(300))),
      wire.len(9, wire.int(1, 4), wire.int(2, 5), wire.int(2, 2n ** 40n)),
      wire.int(10, 1),
      wire.len(11, ...exemplar),
      wire.double(12, 0.5),
      wire.double(13, 8),
      wire.double(14, 0.25),
    );
    const { data } = metricOf(wire.len(10, point, wire.int(2, 2)));
    assert.deepEqual(data?.points, [
      {
        ...common,
        flags: 1,
        count: 7,
        sum: 18,
        min: 0.5,
        max: 8,
        scale: -3,
        zeroCount: 2,
        zeroThreshold: 0.25,
        positive: { offset: -4, counts: [1, 300] },
        negative: { offset: 2, counts: [5, 2 ** 40] },
        exemplars: [decodedExemplar],
      },
    ]);
    assert.equal(data?.type, 'exponentialHistogram');
  });

  it('reads a summary', () => {
    const point = wire.len(
      1,
      ...times,
      wire.fixed64(4, 2n),
      wire.double(5, 3),
      wire.len(6, wire.double(1, 0.99), wire.double(2, 4)),
      wire.attribute(7, 'a', wire.int(3, 1)),
      wire.int(8, 0),
    );
    const { data } = metricOf(wire.len(11, point));
    const quantiles = [{ quantile: 0.99, value: 4 }];
    assert.deepEqual(data?.points, [{ ...common, flags: 0, count: 2, sum: 3, quantiles }]);
  });
});
