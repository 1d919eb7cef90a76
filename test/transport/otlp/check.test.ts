// The structural check: what it counts, what it lets pass, and what it refuses, with the place.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkRequest, decodeMetrics, Signal, WireError } from '../../../src/transport/otlp/index.ts';
import type { Field } from '../../../src/transport/otlp/schema.ts';
import { harmless, homes, isPackable, nestedArrays, notUtf8 } from './malformed.ts';
import * as wire from './wire.ts';

const span = (...fields: Uint8Array[]): Uint8Array => wire.request(wire.bytes(wire.ids, ...fields));
const log = (...fields: Uint8Array[]): Uint8Array => wire.request(wire.bytes(...fields));

function refused(signal: Signal, bytes: Uint8Array): WireError {
  try {
    checkRequest(signal, bytes);
  } catch (error) {
    assert.ok(error instanceof WireError);
    assert.ok(error.offset >= 0 && error.offset <= bytes.length);
    return error;
  }
  return assert.fail(`accepted ${Buffer.from(bytes).toString('hex')}`);
}

const nameOf = (field: Field): string => field.name + (field.repeated ? '[0]' : '');

describe('checkRequest counts', () => {
  it('nothing in an empty request', () => {
    for (const signal of Object.values(Signal)) assert.equal(checkRequest(signal, new Uint8Array(0)), 0);
  });

  it('spans over all resources and scopes', () => {
    const scope = wire.len(2, wire.len(2, wire.ids), wire.len(2, wire.ids));
    const request = wire.bytes(
      wire.len(1, scope, wire.len(1), scope),
      wire.len(1, wire.len(2)),
      wire.len(1, scope),
    );
    assert.equal(checkRequest(Signal.traces, request), 6);
  });

  it('log records', () => {
    assert.equal(checkRequest(Signal.logs, wire.request(wire.bytes(), wire.bytes())), 2);
  });

  it('data points, not metrics', () => {
    const metrics = [5, 7, 9, 10, 11].map(kind => wire.len(kind, wire.len(1), wire.len(1)));
    assert.equal(checkRequest(Signal.metrics, wire.request(...metrics, wire.len(1, 'no data'))), 10);
  });

  it('of a metric with data of several kinds the points of the last kind, as the decoder does', () => {
    const gauge = wire.len(5, wire.len(1));
    const sum = wire.len(7, wire.len(1), wire.len(1));
    for (const [points, ...data] of [
      [2, gauge, sum],
      [1, sum, gauge],
      [3, sum, gauge, wire.len(1, 'name'), gauge, gauge],
      [1, gauge, sum, gauge],
      [0, sum, wire.len(9)],
    ] as const) {
      const request = wire.request(wire.bytes(...data), gauge);
      let decoded = 0;
      decodeMetrics(request, {
        metric: ({ data: { points } = { points: [] } }) => (decoded += points.length),
      });
      assert.deepEqual([checkRequest(Signal.metrics, request), decoded], [points + 1, points + 1]);
    }
  });
});

describe('checkRequest accepts', () => {
  it('fields in descending order, as the Go collector writes them', () => {
    const descending = wire.bytes(wire.fixed32(16, 1), wire.len(5, 'name'), wire.spanId(2), wire.traceId(1));
    const scope = wire.len(2, wire.len(3, 'url'), wire.len(2, descending), wire.len(1, wire.len(1, 'scope')));
    assert.equal(checkRequest(Signal.traces, wire.len(1, wire.len(3, 'url'), scope, wire.len(1))), 1);
  });

  it('singular fields that come twice', () => {
    assert.equal(
      checkRequest(
        Signal.traces,
        span(wire.ids, wire.len(5, 'a'), wire.len(5, 'b'), wire.len(15), wire.len(15)),
      ),
      1,
    );
  });

  it('varints that are longer than they need be: tags, lengths and values', () => {
    const name = wire.bytes(wire.varint(5 * 8 + 2, 3), wire.varint(2, 8), 'ab');
    assert.equal(checkRequest(Signal.traces, span(name, wire.bytes(wire.tag(6, 0), wire.varint(1, 9)))), 1);
  });

  it('unknown fields of every wire type, everywhere', () => {
    const unknown = [0, 1, 2, 5].flatMap(wireType =>
      [21, 31, 32, 2047, 2 ** 29 - 1].map(field => harmless(field, wireType)),
    );
    for (const signal of Object.values(Signal))
      for (const { type, wrap } of homes(signal)) {
        const required = type.name === 'Span' ? wire.ids : wire.bytes();
        checkRequest(signal, wrap(wire.bytes(required, ...unknown)));
      }
  });

  it('every known field in its own wire type, numbers also packed', () => {
    for (const signal of Object.values(Signal))
      for (const { type, wrap } of homes(signal))
        for (const field of type.fields) {
          const required = type.name === 'Span' ? wire.ids : wire.bytes();
          if (field.kind === 'traceId' || field.kind === 'spanId') continue;
          const value =
            field.message?.name === 'Span'
              ? wire.len(field.number, wire.ids)
              : harmless(field.number, field.tag & 7);
          checkRequest(signal, wrap(wire.bytes(required, value)));
          if (!isPackable(field)) continue;
          checkRequest(signal, wrap(wire.len(field.number, new Uint8Array(16))));
        }
  });

  it('NaN, infinities, and integers of any size', () => {
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY])
      assert.equal(checkRequest(Signal.traces, span(wire.attribute(9, 'k', wire.double(4, value)))), 1);
    for (const value of [-1, 2n ** 64n - 1n])
      assert.equal(checkRequest(Signal.traces, span(wire.int(6, value))), 1);
  });

  it('IDs that may be absent or empty: parents, links, log records and exemplars', () => {
    assert.equal(
      checkRequest(Signal.traces, span(wire.len(4), wire.len(13, wire.len(1), wire.len(2)), wire.len(13))),
      1,
    );
    assert.equal(checkRequest(Signal.logs, log(wire.len(9), wire.len(10))), 1);
    assert.equal(checkRequest(Signal.logs, log(wire.traceId(9), wire.spanId(10))), 1);
    const exemplars = [wire.len(5, wire.len(4), wire.len(5)), wire.len(5, wire.spanId(4), wire.traceId(5))];
    assert.equal(checkRequest(Signal.metrics, wire.request(wire.len(5, wire.len(1, ...exemplars)))), 1);
  });

  it('well-formed UTF-8 of every length and alignment, and names like __proto__', () => {
    for (const text of ['é', '߿', 'ࠀ', '퟿', '', '�', '𐀀', '􏿿', '\0', '__proto__', 'constructor'])
      for (let lead = 0; lead < 17; lead++)
        assert.equal(checkRequest(Signal.traces, span(wire.len(5, `${'a'.repeat(lead)}${text}z`))), 1);
  });
});

describe('checkRequest refuses', () => {
  it('every field in every wrong wire type, by name', () => {
    let cases = 0;
    for (const signal of Object.values(Signal))
      for (const { type, wrap, path } of homes(signal))
        for (const field of type.fields)
          for (const wireType of [0, 1, 2, 5]) {
            if (wireType === (field.tag & 7) || (wireType === 2 && isPackable(field))) continue;
            const error = refused(signal, wrap(harmless(field.number, wireType)));
            assert.equal(error.place, path + nameOf(field));
            assert.match(error.reason, /wrong wire type/);
            cases++;
          }
    assert.ok(cases > 500);
  });

  it('groups, field 0, wire types 6 and 7, in known and unknown fields', () => {
    for (const field of [1, 5, 20, 40])
      for (const wireType of [3, 4, 6, 7]) {
        const error = refused(Signal.traces, span(wire.bytes(wire.tag(field, wireType))));
        assert.match(error.reason, wireType < 5 ? /groups/ : /wire type/);
        assert.match(error.place, /spans\[0\]/);
      }
    for (const wireType of [0, 1, 2, 5]) {
      assert.match(refused(Signal.traces, span(harmless(0, wireType))).reason, /field number 0/);
      assert.match(
        refused(Signal.traces, span(wire.bytes(wire.varint(wireType, 3)))).reason,
        /field number 0/,
      );
    }
    assert.match(refused(Signal.traces, span(wire.bytes(wire.tag(2 ** 29, 0), [1]))).reason, /out of range/);
  });

  it('varints of 11 bytes and of more than 64 bits: tags, lengths and values', () => {
    const long = wire.varint(1, 10);
    const wide = [...Array<number>(9).fill(0xff), 2];
    for (const bad of [long, wide]) {
      assert.match(refused(Signal.traces, span(wire.bytes(bad))).reason, /a varint of more than/);
      assert.match(
        refused(Signal.traces, span(wire.bytes(wire.tag(5, 2), bad))).reason,
        /a varint of more than/,
      );
      const error = refused(Signal.traces, span(wire.bytes(wire.tag(6, 0), bad)));
      assert.equal(error.place, 'resource_spans[0].scope_spans[0].spans[0].kind');
      const packed = wire.len(8, wire.len(2, bad));
      assert.match(
        refused(Signal.metrics, wire.request(wire.len(10, wire.len(1, packed)))).place,
        /bucket_counts\[0\]$/,
      );
    }
  });

  it('lengths that are negative, of 2 GB and more, or one byte too long', () => {
    for (const length of [-1, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n]) {
      const error = refused(Signal.traces, span(wire.bytes(wire.tag(5, 2), wire.varint(length), 'abc')));
      assert.match(error.reason, /a length of \d+ bytes where 3 are left/);
    }
    assert.equal(
      refused(Signal.traces, span(wire.bytes(wire.tag(5, 2), [4], 'abc'))).reason,
      'a length of 4 bytes where 3 are left',
    );
  });

  it('a request cut at any byte, unless it ends between two resources', () => {
    const one = span(
      wire.len(5, 'name'),
      wire.attribute(9, 'key', wire.int(3, 300)),
      wire.fixed64(7, 1n),
      wire.fixed32(16, 1),
    );
    const whole = wire.bytes(one, one);
    for (let size = 1; size < whole.length; size++) {
      if (size === one.length) assert.equal(checkRequest(Signal.traces, whole.subarray(0, size)), 1);
      else refused(Signal.traces, whole.subarray(0, size));
    }
  });

  it('a message cut at any byte, when its own length is right', () => {
    const content = wire.bytes(
      wire.ids,
      wire.len(5, 'name'),
      wire.int(6, 300),
      wire.fixed64(7, 1n),
      wire.fixed32(16, 1),
    );
    const ends = [28, 34, 37, 46, 52];
    for (let size = 0; size < content.length; size++) {
      const request = wire.request(content.slice(0, size));
      if (ends.includes(size)) checkRequest(Signal.traces, request);
      else
        assert.match(
          refused(Signal.traces, request).place,
          /^resource_spans\[0\]\.scope_spans\[0\]\.spans\[0\]/,
        );
    }
  });

  it('values nested deeper than 100, at once also at 100,000', () => {
    const array = (depth: number): Uint8Array => {
      let value = wire.bytes();
      for (let i = 1; i < depth; i++) value = wire.len(5, wire.len(1, value));
      return value;
    };
    const list = (depth: number, innermost: Uint8Array = wire.bytes()): Uint8Array => {
      let value = innermost;
      for (let i = 1; i < depth; i++) value = wire.len(6, wire.attribute(1, 'k', value));
      return value;
    };
    for (const nested of [array, list]) {
      assert.equal(checkRequest(Signal.traces, span(wire.attribute(9, 'k', nested(100)))), 1);
      const error = refused(Signal.traces, span(wire.attribute(9, 'k', nested(101))));
      assert.match(error.reason, /more than 100 nested/);
      assert.ok(error.message.length < 400);
      assert.equal(checkRequest(Signal.logs, log(wire.len(5, nested(100)))), 1);
      assert.match(refused(Signal.logs, log(wire.len(5, nested(101)))).reason, /more than 100 nested/);
    }
    const text = wire.len(1, 'text');
    assert.equal(checkRequest(Signal.logs, log(wire.len(5, list(100, text)))), 1);
    assert.match(refused(Signal.logs, log(wire.len(5, list(101, text)))).reason, /more than 100 nested/);
    assert.match(
      refused(Signal.logs, log(wire.len(5, nestedArrays(100_000)))).reason,
      /more than 100 nested/,
    );
  });

  it('strings that are not UTF-8, wherever they are', () => {
    for (const hex of notUtf8)
      for (const lead of ['', 'a', 'a'.repeat(7), 'a'.repeat(8)]) {
        const error = refused(Signal.traces, span(wire.len(5, lead, Buffer.from(hex, 'hex'))));
        assert.equal(error.place, 'resource_spans[0].scope_spans[0].spans[0].name');
        assert.equal(error.reason, 'not UTF-8');
      }
    assert.match(
      refused(Signal.traces, span(wire.attribute(9, 'k', wire.len(1, [0xff])))).place,
      /attributes\[0\]\.value\.string_value$/,
    );
    assert.match(
      refused(Signal.logs, wire.len(1, wire.len(1, wire.len(3, wire.len(3, 'ok'), wire.len(3, [0xff])))))
        .place,
      /entity_refs\[0\]\.id_keys\[1\]$/,
    );
    assert.equal(
      checkRequest(Signal.traces, span(wire.attribute(9, 'k', wire.len(7, [0xff])))),
      1,
      'bytes are no string',
    );
  });

  it('a string with one byte that is not UTF-8, of any length and at any place', () => {
    for (let length = 1; length <= 24; length++)
      for (let at = 0; at < length; at++) {
        const text = new Uint8Array(length).fill(0x61);
        text[at] = 0xff;
        assert.equal(refused(Signal.traces, span(wire.len(5, text))).reason, 'not UTF-8');
      }
  });

  it('IDs of the wrong length, with both lengths', () => {
    for (const length of [0, 1, 15, 17, 32]) {
      const error = refused(Signal.traces, span(wire.len(1, new Uint8Array(length))));
      assert.equal(error.place, 'resource_spans[0].scope_spans[0].spans[0].trace_id');
      assert.equal(error.reason, `${length} bytes, expected 16`);
    }
    for (const length of [0, 7, 9, 16])
      assert.equal(
        refused(Signal.traces, span(wire.len(2, new Uint8Array(length)))).reason,
        `${length} bytes, expected 8`,
      );
    for (const [field, length, right] of [
      [9, 15, 16],
      [9, 17, 16],
      [10, 7, 8],
      [10, 9, 8],
    ] as const)
      assert.equal(
        refused(Signal.logs, log(wire.len(field, new Uint8Array(length)))).reason,
        `${length} bytes, expected ${right} or none`,
      );
    assert.match(refused(Signal.traces, span(wire.len(4, new Uint8Array(7)))).place, /parent_span_id$/);
  });

  it('a span without its IDs', () => {
    assert.equal(
      refused(Signal.traces, wire.request(wire.ids, wire.bytes())).message,
      'resource_spans[0].scope_spans[0].spans[1]: trace_id is missing (offset 35)',
    );
    assert.match(
      refused(Signal.traces, wire.request(wire.traceId(1))).message,
      /spans\[0\]: span_id is missing/,
    );
    assert.match(
      refused(Signal.traces, wire.request(wire.spanId(2))).message,
      /spans\[0\]: trace_id is missing/,
    );
  });

  it('packed words that are no multiple of eight bytes', () => {
    for (const field of [6, 7])
      for (const length of [1, 4, 9, 12]) {
        const point = wire.len(1, wire.len(field, new Uint8Array(length)));
        const error = refused(Signal.metrics, wire.request(wire.len(9, point)));
        assert.equal(error.reason, `${length} bytes, expected a multiple of 8`);
      }
  });

  it('with the index of each repeated field in the place, and the offset of the field', () => {
    const good = wire.len(2, wire.ids);
    const bad = wire.len(2, wire.spanId(2), wire.len(1, new Uint8Array(15)));
    const scopes = wire.bytes(wire.len(2, good, good), wire.len(3, 'url'), wire.len(2, good, bad));
    const request = wire.bytes(wire.len(1), wire.len(1, scopes));
    const error = refused(Signal.traces, request);
    assert.equal(error.place, 'resource_spans[1].scope_spans[1].spans[1].trace_id');
    assert.deepEqual([...request.subarray(error.offset, error.offset + 2)], [10, 15]);
    assert.equal(error.message, `${error.place}: 15 bytes, expected 16 (offset ${error.offset})`);
  });
});

describe('checkRequest judges an attribute', () => {
  /** What is said of an attribute; `before` comes first in it. */
  const verdict = (attribute: Uint8Array, before: Uint8Array): string => {
    try {
      return `${checkRequest(Signal.traces, span(wire.len(9, before, attribute)))} item`;
    } catch (error) {
      assert.ok(error instanceof WireError);
      return `${error.place}: ${error.reason}`;
    }
  };
  const values = {
    string: wire.len(1, 'a string'),
    'empty string': wire.len(1),
    'text beyond ASCII': wire.len(1, 'žluťoučký'),
    bool: wire.bytes(wire.tag(2, 0), [1]),
    'short integer': wire.int(3, 7),
    'long integer': wire.int(3, -1),
    double: wire.double(4, 0.5),
    nothing: wire.bytes(),
  };

  for (const [name, value] of Object.entries(values))
    it(`in its usual form as in any other, whichever byte of it is wrong: ${name}`, () => {
      const usual = wire.bytes(wire.len(1, 'key'), wire.len(2, value));
      const unknown = wire.int(31, 1);
      assert.equal(verdict(usual, wire.bytes()), '1 item');
      const verdicts = new Set<string>();
      const compare = (attribute: Uint8Array): void => {
        const said = verdict(attribute, wire.bytes());
        assert.equal(said, verdict(attribute, unknown), Buffer.from(attribute).toString('hex'));
        verdicts.add(said);
      };
      for (let at = 0; at < usual.length; at++) {
        compare(usual.subarray(0, at));
        for (let byte = 0; byte < 256; byte++) compare(usual.with(at, byte));
      }
      assert.ok(verdicts.size > 5);
    });
});
