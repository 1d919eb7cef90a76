// Properties: what goes in comes out, all walkers agree, and damaged bytes end in a WireError or in sense, never in a crash.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type AnyValue,
  checkRequest,
  decodeLogs,
  decodeMetrics,
  decodeTraces,
  Reader,
  requestFromJson,
  Signal,
  toJson,
  WireError,
  Writer,
} from '../../../src/transport/otlp/index.ts';
import { int64, requests, signals, text, uint64 } from './arbitrary-request.ts';
import * as wire from './wire.ts';

const RUNS = { numRuns: 150 };

/** Decodes everything and returns how many items came. */
function decodeAll(signal: Signal, bytes: Uint8Array): number {
  let items = 0;
  if (signal === Signal.traces) decodeTraces(bytes, { span: () => items++ });
  else if (signal === Signal.logs) decodeLogs(bytes, { logRecord: () => items++ });
  else
    decodeMetrics(bytes, {
      metric({ data }) {
        items += data?.points.length ?? 0;
      },
    });
  return items;
}

function outcome<T>(run: () => T): T | WireError {
  try {
    return run();
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
}

describe('Any request', () => {
  it('passes the check, and is counted by the decoder as by the check', () => {
    fc.assert(
      fc.property(requests, ([signal, bytes]) => {
        assert.equal(decodeAll(signal, bytes), checkRequest(signal, bytes));
      }),
      RUNS,
    );
  });

  it('is the same JSON after a round through JSON', () => {
    fc.assert(
      fc.property(requests, ([signal, bytes]) => {
        const json = toJson(signal, bytes);
        const again = requestFromJson(signal, json);
        assert.equal(checkRequest(signal, again), checkRequest(signal, bytes));
        assert.equal(toJson(signal, again), json);
      }),
      RUNS,
    );
  });

  it('damaged in a few bytes or cut off, is refused with a WireError or read by all alike', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(requests, damage, fc.nat(), ([signal, bytes], hits, cut) => {
        const damaged = bytes.slice(0, cut % 3 === 0 ? cut % (bytes.length + 1) : bytes.length);
        for (const [at, value] of hits) if (damaged.length > 0) damaged[at % damaged.length] = value;
        const checked = outcome(() => checkRequest(signal, damaged));
        const decoded = outcome(() => decodeAll(signal, damaged));
        const json = outcome(() => toJson(signal, damaged));
        if (checked instanceof WireError) return;
        assert.ok(typeof decoded === 'number', 'what passes the check is decoded');
        assert.ok(typeof json === 'string', 'and has its JSON');
        assert.equal(
          outcome(() => checkRequest(signal, requestFromJson(signal, json))),
          checked,
        );
      }),
      { numRuns: 600 },
    );
  });
});

describe('Any bytes', () => {
  it('end in a WireError or in sense', () => {
    fc.assert(
      fc.property(signals, fc.uint8Array({ maxLength: 60 }), (signal, bytes) => {
        outcome(() => checkRequest(signal, bytes));
        outcome(() => decodeAll(signal, bytes));
        outcome(() => toJson(signal, bytes));
        outcome(() => requestFromJson(signal, bytes));
      }),
      { numRuns: 600 },
    );
  });
});

const underSpans = (tree: unknown): unknown => ({ resourceSpans: [{ scopeSpans: [{ spans: [tree] }] }] });

describe('Any JSON', () => {
  it('of the right keys ends in a WireError or in protobuf that all can read', () => {
    const keys = fc.constantFrom(
      'resourceSpans',
      'scopeSpans',
      'spans',
      'attributes',
      'key',
      'value',
      'stringValue',
      'traceId',
    );
    const { tree } = fc.letrec<{ tree: unknown }>(tie => ({
      tree: fc.oneof(
        { maxDepth: 7, depthSize: 'small' },
        fc.constantFrom(null, true, 1, -1.5, '', '5b8efff798038103d269b633813fc60c'),
        fc.array(tie('tree'), { maxLength: 2 }),
        fc.dictionary(keys, tie('tree'), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(fc.oneof(tree, tree.map(underSpans)), value => {
        const bytes = outcome(() => requestFromJson(Signal.traces, JSON.stringify(value)));
        if (!(bytes instanceof WireError)) toJson(Signal.traces, bytes);
      }),
      { numRuns: 400 },
    );
  });
});

describe('Any value', () => {
  it('that the writer writes is the value that the decoder reads', () => {
    const { value } = fc.letrec<{ value: AnyValue }>(tie => ({
      value: fc.oneof(
        { maxDepth: 4 },
        text,
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.double({ noDefaultInfinity: false }).filter(double => !Object.is(double, -0)),
        int64.filter(big => !Number.isSafeInteger(Number(big))),
        fc.uint8Array({ maxLength: 10 }),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(text, tie('value'), { maxKeys: 3, noNullPrototype: false }),
      ),
    }));
    fc.assert(
      fc.property(value, original => {
        const writer = new Writer(new Uint8Array(100_000));
        writer.anyValue(5, original);
        const request = wire.request(writer.bytes.slice(0, writer.pos));
        assert.equal(checkRequest(Signal.logs, request), 1);
        decodeLogs(request, { logRecord: ({ body }) => assert.deepEqual(plain(body), plain(original)) });
      }),
      RUNS,
    );
  });

  it('of a varint is the same after the writer and the reader', () => {
    fc.assert(
      fc.property(uint64, value => {
        const writer = new Writer(new Uint8Array(20));
        writer.varint64(value);
        assert.equal(new Reader(writer.bytes).uint64(), value);
      }),
      RUNS,
    );
  });
});

/** Objects as entries, so that prototypes do not matter; lone surrogates as what UTF-8 makes of them. */
function plain(value: AnyValue): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value).map(([key, inner]) => [key.toWellFormed(), plain(inner as AnyValue)]);
}
