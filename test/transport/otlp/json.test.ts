// OTLP/JSON in both directions: what the mapping allows, what it ignores, and the path in every error.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  checkRequest,
  requestFromJson,
  Signal,
  toJson,
  tracesToJson,
  WireError,
} from '../../../src/transport/otlp/index.ts';
import * as wire from './wire.ts';

const idsText = '"traceId":"5B8EFFF798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174"';
const ids = wire.bytes(
  wire.len(1, Buffer.from('5b8efff798038103d269b633813fc60c', 'hex')),
  wire.len(2, Buffer.from('eee19b7ec3c1b174', 'hex')),
);

const spanText = (fields: string): string => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${fields}}]}]}]}`;
const valueText = (value: string): string =>
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${value}}]}]}]}`;
const pointText = (kind: string, fields: string): string =>
  `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"${kind}":{"dataPoints":[{${fields}}]}}]}]}]}`;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function becomes(signal: Signal, json: string, ...item: Uint8Array[]): void {
  assert.equal(hex(requestFromJson(signal, json)), hex(wire.request(wire.bytes(...item))), json);
}

const spanBecomes = (json: string, ...fields: Uint8Array[]): void =>
  becomes(Signal.traces, spanText(json), ...fields);
const valueBecomes = (json: string, ...fields: Uint8Array[]): void =>
  becomes(Signal.logs, valueText(json), wire.len(5, ...fields));

function refused(signal: Signal, json: string | Uint8Array): WireError {
  try {
    requestFromJson(signal, json);
  } catch (error) {
    assert.ok(error instanceof WireError);
    return error;
  }
  return assert.fail(`accepted ${json}`);
}

describe('requestFromJson', () => {
  it('takes IDs as hexadecimal in either case', () => {
    spanBecomes(idsText, ids);
    spanBecomes('"parentSpanId":""', wire.len(4));
  });

  it('takes 64-bit integers as strings or numbers, exact either way', () => {
    for (const text of ['1544712660000000001', '18446744073709551615', '0'])
      for (const form of [text, `"${text}"`])
        spanBecomes(`"startTimeUnixNano":${form}`, wire.fixed64(7, BigInt(text)));
    for (const text of ['9007199254740993', '-9223372036854775808', '9223372036854775807', '-1'])
      for (const form of [text, `"${text}"`]) valueBecomes(`{"intValue":${form}}`, wire.int(3, BigInt(text)));
    valueBecomes('{"intValue":1e3}', wire.int(3, 1000));
    valueBecomes('{"intValue":5.0}', wire.int(3, 5));
  });

  it('takes enums as numbers or names', () => {
    spanBecomes('"kind":2', wire.int(6, 2));
    spanBecomes('"kind":"SPAN_KIND_SERVER"', wire.int(6, 2));
    spanBecomes('"status":{"code":"STATUS_CODE_ERROR"}', wire.len(15, wire.int(3, 2)));
    const severity =
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"SEVERITY_NUMBER_ERROR3"}]}]}]}';
    becomes(Signal.logs, severity, wire.int(2, 19));
    spanBecomes('"kind":77', wire.int(6, 77));
  });

  it('takes keys as in JSON and as in the .proto file', () => {
    spanBecomes('"trace_state":"a=b"', wire.len(3, 'a=b'));
    assert.deepEqual(
      requestFromJson(Signal.traces, '{"resource_spans":[{"scope_spans":[{"schema_url":"u"}]}]}'),
      wire.len(1, wire.len(2, wire.len(3, 'u'))),
    );
  });

  it('takes every kind of value, an empty one too', () => {
    valueBecomes('{}');
    valueBecomes('{"stringValue":""}', wire.len(1));
    valueBecomes('{"stringValue":"é\\u00e9\\n\\"\\ud83e\\udd94"}', wire.len(1, 'éé\n"🦔'));
    valueBecomes('{"boolValue":false}', wire.int(2, 0));
    valueBecomes('{"doubleValue":-1.5e3}', wire.double(4, -1500));
    valueBecomes('{"doubleValue":"1.5"}', wire.double(4, 1.5));
    valueBecomes('{"doubleValue":"NaN"}', wire.double(4, Number.NaN));
    valueBecomes('{"doubleValue":"-Infinity"}', wire.double(4, Number.NEGATIVE_INFINITY));
    valueBecomes('{"bytesValue":"+/8="}', wire.len(7, [0xfb, 0xff]));
    valueBecomes('{"bytesValue":"-_8"}', wire.len(7, [0xfb, 0xff]));
    valueBecomes(
      '{"arrayValue":{"values":[{},{"intValue":1}]}}',
      wire.len(5, wire.len(1), wire.len(1, wire.int(3, 1))),
    );
    valueBecomes(
      '{"kvlistValue":{"values":[{"key":"__proto__"}]}}',
      wire.len(6, wire.len(1, wire.len(1, '__proto__'))),
    );
  });

  it('packs repeated numbers, and reads zigzag ones', () => {
    const doubles = wire.bytes(
      wire.double(1, 0.5).subarray(1),
      wire.double(1, Number.POSITIVE_INFINITY).subarray(1),
    );
    const words = wire.bytes(wire.fixed64(1, 1n).subarray(1), wire.fixed64(1, 2n ** 64n - 1n).subarray(1));
    becomes(
      Signal.metrics,
      pointText('histogram', '"explicitBounds":[0.5,"Infinity"],"bucketCounts":["1",18446744073709551615]'),
      wire.len(9, wire.len(1, wire.len(7, doubles), wire.len(6, words))),
    );
    becomes(
      Signal.metrics,
      pointText(
        'exponentialHistogram',
        '"scale":-3,"positive":{"offset":2147483647,"bucketCounts":[1,"18446744073709551615"]}',
      ),
      wire.len(
        10,
        wire.len(
          1,
          wire.int(6, 5),
          wire.len(8, wire.int(1, 4294967294), wire.len(2, wire.varint(1), wire.varint(2n ** 64n - 1n))),
        ),
      ),
    );
    becomes(
      Signal.metrics,
      pointText('gauge', '"asInt":"-5"'),
      wire.len(5, wire.len(1, wire.fixed64(6, -5n))),
    );
  });

  it('grows where JSON is shorter than protobuf', () => {
    const bounds = Array<number>(10_000).fill(1);
    const bytes = requestFromJson(Signal.metrics, pointText('histogram', `"explicitBounds":[${bounds}]`));
    assert.ok(bytes.length > 80_000);
    assert.equal(checkRequest(Signal.metrics, bytes), 1);
    assert.equal(
      requestFromJson(Signal.metrics, pointText('histogram', `"explicitBounds":[${bounds}]`), bytes.length)
        .length,
      bytes.length,
    );
    assert.throws(
      () =>
        requestFromJson(
          Signal.metrics,
          pointText('histogram', `"explicitBounds":[${bounds}]`),
          bytes.length - 1,
        ),
      /more than \d+ bytes as protobuf/,
    );
  });

  it('ignores unknown keys, whatever is under them, and takes null for absent', () => {
    spanBecomes('"unknown":{"a":[1,-2.5e-3,{"b":null},[true,false],"\\u0041"]},"name":"x"', wire.len(5, 'x'));
    spanBecomes('"__proto__":{"polluted":1},"constructor":2,"toString":[]');
    spanBecomes('"name":null,"attributes":null,"kind":null,"status":null');
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
    assert.equal(requestFromJson(Signal.logs, ' \n\t{ } \r\n').length, 0);
  });

  it('lets the last of equal keys count, for scalars, messages, lists and across both spellings', () => {
    spanBecomes('"name":"first","kind":1,"name":"last"', wire.int(6, 1), wire.len(5, 'last'));
    spanBecomes('"name":"first","name":null');
    spanBecomes('"traceState":"a","trace_state":"b"', wire.len(3, 'b'));
    spanBecomes('"status":{"message":"m"},"status":{"code":1}', wire.len(15, wire.int(3, 1)));
    const list = (key: string): string => `"attributes":[{"key":"${key}"},{"key":"${key}"}]`;
    const attributes = (key: string): Uint8Array =>
      wire.bytes(wire.len(9, wire.len(1, key)), wire.len(9, wire.len(1, key)));
    spanBecomes(
      `${list('a')},"name":"n",${list('bb')},"kind":1,${list('ccc')},"name":"o"`,
      wire.int(6, 1),
      attributes('ccc'),
      wire.len(5, 'o'),
    );
  });

  it('takes text and bytes alike, and refuses bytes that are not UTF-8', () => {
    const text = spanText('"name":"é"');
    assert.deepEqual(requestFromJson(Signal.traces, Buffer.from(text)), requestFromJson(Signal.traces, text));
    assert.match(refused(Signal.traces, wire.bytes('{"a":"', [0xff], '"}')).message, /not UTF-8/);
  });

  it('names the JSON path of what it refuses', () => {
    const place = '$.resourceSpans[0].scopeSpans[0].spans[0]';
    const cases: [string, string, RegExp][] = [
      ['"traceId":"abc"', '.traceId', /3 characters, expected 32 hexadecimal digits/],
      [`"traceId":"${'g'.repeat(32)}"`, '.traceId', /not hexadecimal/],
      [`"spanId":"${'é'.repeat(16)}"`, '.spanId', /not hexadecimal/],
      ['"spanId":7', '.spanId', /expected a string/],
      ['"name":5', '.name', /expected a string/],
      ['"name":"\\x"', '.name', /unknown escape/],
      ['"name":"\\ud8"', '.name', /unknown escape/],
      ['"kind":"SERVER"', '.kind', /unknown name/],
      ['"kind":2147483648', '.kind', /integer in range/],
      ['"kind":1.5', '.kind', /integer in range/],
      ['"startTimeUnixNano":-1', '.startTimeUnixNano', /integer in range/],
      ['"startTimeUnixNano":"18446744073709551616"', '.startTimeUnixNano', /integer in range/],
      ['"startTimeUnixNano":"1x"', '.startTimeUnixNano', /integer in range/],
      ['"startTimeUnixNano":""', '.startTimeUnixNano', /integer in range/],
      ['"droppedEventsCount":4294967296', '.droppedEventsCount', /integer in range/],
      ['"attributes":{}', '.attributes', /expected an array/],
      ['"attributes":[{},null]', '.attributes[1]', /expected an object/],
      ['"attributes":[{"value":{"boolValue":"true"}}]', '.attributes[0].value.boolValue', /true or false/],
      ['"attributes":[{"value":{"bytesValue":"?"}}]', '.attributes[0].value.bytesValue', /not base64/],
      ['"attributes":[{"value":{"doubleValue":"1,5"}}]', '.attributes[0].value.doubleValue', /a number/],
      [
        '"attributes":[{"value":{"intValue":9223372036854775808}}]',
        '.attributes[0].value.intValue',
        /in range/,
      ],
      [
        '"attributes":[{"value":{"intValue":-9223372036854775809}}]',
        '.attributes[0].value.intValue',
        /in range/,
      ],
      ['"status":[]', '.status', /expected an object/],
    ];
    for (const [fields, path, reason] of cases) {
      const error = refused(Signal.traces, spanText(fields));
      assert.equal(error.place, place + path);
      assert.match(error.reason, reason);
    }
  });

  it('refuses what is no JSON', () => {
    const bad = [
      '',
      ' ',
      '{',
      '}',
      '[]',
      'null',
      '"x"',
      '1',
      '{}x',
      '{},',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{,}',
      '{a:1}',
      "{'a':1}",
      '{"a":01}',
      '{"a":+1}',
      '{"a":.5}',
      '{"a":1.}',
      '{"a":1e}',
      '{"a":-}',
      '{"a":NaN}',
      '{"a":tru}',
      '{"a":nul',
      '{"a":[1,]}',
      '{"a":[1 2]}',
      '{"a":[1}',
      '{"a":"\n"}',
      '{"a":"\x1f"}',
      '{"a":"',
      '{"a":"\\',
      '{"a":"\\"}',
      '{"a":"\\q"}',
      '{"\\q":1}',
      '{"a":1/*c*/}',
      '\ufeff{}',
    ];
    for (const text of bad) {
      assert.throws(() => {
        const value: unknown = JSON.parse(text);
        assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value));
      }, `JSON.parse takes ${text}`);
      refused(Signal.traces, text);
    }
  });

  it('refuses JSON cut at any byte', () => {
    const text = spanText(
      `${idsText},"attributes":[{"key":"k","value":{"doubleValue":1.5}}],"x":[true,null]`,
    );
    for (let size = 0; size < text.length; size++) refused(Signal.traces, text.slice(0, size));
  });

  it('refuses more than 100 nested values, and deep brackets under unknown keys', () => {
    const nested = (depth: number): string =>
      `${'{"arrayValue":{"values":['.repeat(depth - 1)}{}${']}}'.repeat(depth - 1)}`;
    assert.equal(checkRequest(Signal.logs, requestFromJson(Signal.logs, valueText(nested(100)))), 1);
    const error = refused(Signal.logs, valueText(nested(101)));
    assert.match(error.reason, /more than 100 nested values/);
    assert.ok(error.message.length < 400);
    const list = (depth: number): string =>
      `${'{"kvlistValue":{"values":[{"value":'.repeat(depth - 1)}{}${'}]}}'.repeat(depth - 1)}`;
    assert.equal(checkRequest(Signal.logs, requestFromJson(Signal.logs, valueText(list(100)))), 1);
    const siblings = valueText(`{"arrayValue":{"values":[${Array(150).fill('{}')}]}}`);
    assert.equal(checkRequest(Signal.logs, requestFromJson(Signal.logs, siblings)), 1);
    assert.equal(requestFromJson(Signal.logs, `{"x":[${Array(600).fill('[]')}]}`).length, 0);
    const deep = (depth: number): string => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    assert.equal(requestFromJson(Signal.logs, deep(511)).length, 0);
    for (const depth of [512, 100_000])
      assert.match(refused(Signal.logs, deep(depth)).reason, /more than 512 brackets/);
    assert.match(refused(Signal.logs, '{"x":'.repeat(100_000)).reason, /more than 512 brackets/);
  });
});

describe('toJson', () => {
  const valueJson = (...fields: Uint8Array[]): unknown => {
    const parsed = JSON.parse(toJson(Signal.logs, wire.request(wire.len(5, ...fields)))) as {
      resourceLogs: { scopeLogs: { logRecords: { body: unknown }[] }[] }[];
    };
    return parsed.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.body;
  };

  it('writes the OTLP/JSON mapping', () => {
    const span = wire.bytes(
      ids,
      wire.len(5, 'é"'),
      wire.int(6, 2),
      wire.fixed64(7, 2n ** 63n),
      wire.int(10, 3),
      wire.fixed32(16, 257),
    );
    const fields = `${idsText.toLowerCase().replace('traceid', 'traceId').replace('spanid', 'spanId')},"name":"é\\"","kind":2,"startTimeUnixNano":"9223372036854775808","droppedAttributesCount":3,"flags":257`;
    assert.equal(tracesToJson(wire.request(span)), spanText(fields));
    assert.equal(tracesToJson(new Uint8Array(0)), '{}');
  });

  it('writes every kind of value, the last of a oneof', () => {
    assert.deepEqual(valueJson(), {});
    assert.deepEqual(valueJson(wire.len(1, '')), { stringValue: '' });
    assert.deepEqual(valueJson(wire.int(2, 0)), { boolValue: false });
    assert.deepEqual(valueJson(wire.int(3, -5)), { intValue: '-5' });
    assert.deepEqual(valueJson(wire.int(3, -(2n ** 63n))), { intValue: '-9223372036854775808' });
    assert.deepEqual(valueJson(wire.double(4, 1.5)), { doubleValue: 1.5 });
    assert.deepEqual(valueJson(wire.double(4, Number.NaN)), { doubleValue: 'NaN' });
    assert.deepEqual(valueJson(wire.double(4, Number.NEGATIVE_INFINITY)), { doubleValue: '-Infinity' });
    assert.deepEqual(valueJson(wire.len(7, [0xfb, 0xff])), { bytesValue: '+/8=' });
    assert.deepEqual(valueJson(wire.len(6, wire.attribute(1, '__proto__', wire.int(2, 1)))), {
      kvlistValue: { values: [{ key: '__proto__', value: { boolValue: true } }] },
    });
    assert.deepEqual(valueJson(wire.len(1, 'a'), wire.int(3, 1)), { intValue: '1' });
    assert.deepEqual(valueJson(wire.len(5, wire.len(1)), wire.len(5, wire.len(1))), {
      arrayValue: { values: [{}, {}] },
    });
  });

  it('leaves out unknown fields, merges what comes in parts, and refuses wrong wire types', () => {
    assert.equal(
      tracesToJson(wire.bytes(wire.len(9, 'x'), wire.len(1, wire.len(1), wire.len(1, wire.int(2, 1))))),
      '{"resourceSpans":[{"resource":{"droppedAttributesCount":1}}]}',
    );
    assert.throws(
      () => tracesToJson(wire.request(wire.int(5, 1))),
      /spans\[0\]\.name: a field of the wrong wire type/,
    );
    assert.throws(
      () => tracesToJson(wire.request(wire.len(7, '12345678'))),
      /start_time_unix_nano: a field of the wrong/,
    );
  });

  it('refuses values nested deeper than 100', () => {
    let value = wire.bytes();
    for (let i = 1; i < 100; i++) value = wire.len(5, wire.len(1, value));
    assert.ok(valueJson(value));
    assert.throws(() => valueJson(wire.len(5, wire.len(1, value))), /more than 100 nested values/);
  });
});
