// A line that pino wrote becomes a LogRecord that says the same.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type DecodedLogRecord, FrameKind, type Sink, Writer } from 'tricord/otlp';
import { Clock, processClock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { LoggerProvider } from '../../src/log/logger-provider.ts';
import { type LineCounters, LineReaders, recordBytesMax } from '../../src/transport/otlp/line/line-reader.ts';
import { allocateRing, RingConsumer, RingProducer } from '../../src/transport/ring.ts';
import { attributesOf, hex, logRecordsIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

const root = ObservabilityContext.root;
/** A whole second, near enough for nanoseconds to be exact in a float64 since the anchor. */
const nowSeconds = Math.floor(Date.now() / 1000);

function emit(
  line: string,
  { context = root, limits = {}, frameBytes = 256 * 1024 } = {},
): { record: DecodedLogRecord; lines: LineCounters } {
  const sink = new MemorySink(processClock.anchorUnixNanos, frameBytes);
  const provider = new LoggerProvider({ sink, limits });
  provider.getLogger('pino').emitJsonLine(line, context);
  const [record] = logRecordsIn(sink);
  assert.ok(record);
  return { record, lines: sink.lines.counters };
}

/** A sink with room for one frame, where the writer is. */
function sinkInto(writer: Writer): Sink {
  const pressure = { room: () => 1, samplingProbability: () => 1, leaveOut() {} };
  return { scope: () => 0, begin: () => writer, commit: () => !writer.overflowed, ...pressure };
}

/** The frame that carries a line. */
function frameOf(line: string, context: ObservabilityContext): Buffer {
  const writer = new Writer(new Uint8Array(64 * 1024));
  const sink = sinkInto(writer);
  new LoggerProvider({ sink }).getLogger('x').emitJsonLine(line, context);
  return Buffer.from(writer.bytes.subarray(0, writer.pos));
}

/** A request of one record. */
function requestOf(record: Uint8Array): Uint8Array {
  const writer = new Writer(new Uint8Array(record.length + 32));
  const resource = writer.message(1, record.length + 8);
  const scope = writer.message(2, record.length);
  writer.raw(record);
  writer.close(scope);
  writer.close(resource);
  return writer.bytes.subarray(0, writer.pos);
}

const attributes = (line: string) => ({ ...attributesOf(emit(line).record) });

describe('the known keys of a line', () => {
  const line = `{"level":40,"time":${nowSeconds}123,"pid":7,"hostname":"box","trace_id":"t","span_id":"s","trace_flags":"01","msg":"hello","n":1}\n`;

  it('become severity, time and body; pid and hostname are left to the resource', () => {
    const { record } = emit(line, { context: root.withIdentity(SpanIdentity.root(3)) });
    assert.equal(record.severityNumber, 13);
    assert.equal(record.severityText, 'warn');
    assert.equal(record.timeUnixNano, BigInt(nowSeconds) * 1_000_000_000n + 123_000_000n);
    assert.equal(record.body, 'hello');
    assert.deepEqual({ ...attributesOf(record) }, { n: 1 });
  });

  it('leave the IDs to the context, and keep them as attributes where it has none', () => {
    const identity = SpanIdentity.root(3);
    const { record } = emit(line, { context: root.withIdentity(identity) });
    assert.equal(hex(record.traceId), identity.traceId);
    assert.equal(hex(record.spanId), identity.spanId);
    assert.equal(record.flags, 3);
    const outside = attributesOf(emit(line).record);
    assert.equal(outside.trace_id, 't');
  });

  it('map every pino level and every name', () => {
    const expected = [1, 1, 1, 1, 5, 5, 9, 9, 13, 13, 17, 17, 21, 21, 21];
    for (const [i, severity] of expected.entries())
      assert.equal(emit(`{"level":${i * 5}}`).record.severityNumber, severity, `level ${i * 5}`);
    assert.equal(emit('{"level":"WARNING"}').record.severityNumber, 13);
    assert.equal(emit('{"level":"WARNING"}').record.severityText, 'WARNING');
    assert.equal(emit('{"level":"weird"}').record.severityNumber, 0);
  });

  it('read times as ISO text and as seconds, micro- and nanoseconds', () => {
    const expected = BigInt(nowSeconds) * 1_000_000_000n;
    const iso = `"${new Date(nowSeconds * 1000).toISOString()}"`;
    for (const time of [iso, nowSeconds, `${nowSeconds}000`, `${nowSeconds}000000`, `${nowSeconds}000000000`])
      assert.equal(emit(`{"time":${time}}`).record.timeUnixNano, expected, String(time));
  });

  it('stay attributes when their value is of another kind', () => {
    assert.deepEqual(attributes('{"level":null,"time":"noon","err":"text"}'), {
      level: undefined,
      time: 'noon',
      err: 'text',
    });
  });

  it('may be spelled with escapes', () => {
    assert.equal(emit('{"\\u006dsg":"hello"}').record.body, 'hello');
  });

  it('tell when it was seen, and a line whose time cannot be read was seen when it was written', () => {
    const clock = new Clock({ monotonic: () => 0, wall: () => 1_000_000 });
    const observed = (time: string): bigint => {
      const sink = new MemorySink(clock.anchorUnixNanos);
      const head = { level: '{"level":30', time, context: '', bindings: '' };
      const logger = new LoggerProvider({ sink, clock }).getLogger('x');
      logger.emitJsonLine(`${head.level}${time},"msg":"m"}`, root, undefined, head);
      return logRecordsIn(sink)[0]!.observedTimeUnixNano;
    };
    assert.equal(observed(`,"time":${nowSeconds}000`), BigInt(nowSeconds) * 1_000_000_000n);
    for (const time of ['', ',"time":"noon"']) assert.equal(observed(time), clock.anchorUnixNanos, time);
  });

  it('may stand behind bindings of more than ASCII', () => {
    const sink = new MemorySink();
    const logger = new LoggerProvider({ sink }).getLogger('x');
    const head = { level: '{"level":30', time: '', context: '', bindings: ',"hostname":"é","pid":123' };
    for (let i = 0; i < 3; i++)
      logger.emitJsonLine(`${head.level}${head.bindings},"msg":"m"}`, root, undefined, head);
    assert.deepEqual(
      logRecordsIn(sink).map(({ body }) => body),
      ['m', 'm', 'm'],
    );
  });

  it('are kept of the bindings of a logger whose lines were in spans before', () => {
    const sink = new MemorySink();
    const logger = new LoggerProvider({ sink }).getLogger('x');
    const head = { level: '{"level":30', time: '', context: '', bindings: ',"trace_id":"mine","pid":7' };
    const line = `${head.level}${head.bindings},"n":1}`;
    for (const context of [
      root.withIdentity(SpanIdentity.root(1)),
      root.withIdentity(SpanIdentity.root(1)),
      root,
      root,
    ])
      logger.emitJsonLine(line, context, undefined, head);
    assert.deepEqual(
      logRecordsIn(sink).map(record => attributesOf(record).trace_id),
      [undefined, undefined, 'mine', 'mine'],
    );
  });

  it('may have other names', () => {
    const sink = new MemorySink();
    const keys = { level: 'severity', time: '@timestamp', message: 'message' };
    const logger = new LoggerProvider({ sink }).getLogger('x');
    logger.emitJsonLine('{"severity":"info","message":"m","msg":1}', root, keys);
    const [record] = logRecordsIn(sink);
    assert.equal(record?.body, 'm');
    assert.equal(record?.severityNumber, 9);
    assert.deepEqual({ ...attributesOf(record!) }, { msg: 1 });
  });
});

describe('an error in a line', () => {
  it('becomes the attributes of an exception', () => {
    assert.deepEqual(attributes('{"err":{"type":"TypeError","message":"no","stack":"at x"}}'), {
      'exception.type': 'TypeError',
      'exception.message': 'no',
      'exception.stacktrace': 'at x',
    });
  });

  it('keeps what else it has under its own name', () => {
    const line =
      '{"error":{"type":"E","code":"ENOENT","message":"no","cause":{"type":"F"},"stack":7,"code":"X"}}';
    assert.deepEqual(JSON.parse(JSON.stringify(attributes(line))), {
      'exception.type': 'E',
      'exception.message': 'no',
      error: { cause: { type: 'F' }, stack: 7, code: 'X' },
    });
  });

  it('may be empty', () => {
    assert.deepEqual(attributes('{"err":{},"a":1}'), { a: 1 });
  });
});

describe('duplicate keys', () => {
  it('leave the last value, at every depth and for the body', () => {
    const { record } = emit('{"a":1,"msg":"first","b":{"x":1,"y":2,"x":[3]},"a":"two","msg":"last","c":0}');
    assert.equal(record.body, 'last');
    assert.deepEqual(JSON.parse(JSON.stringify(attributesOf(record))), {
      a: 'two',
      b: { x: [3], y: 2 },
      c: 0,
    });
  });

  it('are told apart by their whole length, also beyond 127 bytes', () => {
    const long = 'k'.repeat(200);
    const value = 'v'.repeat(20_000);
    assert.deepEqual(attributes(`{"${long}":1,"${long}x":2,"${long}":"${value}","${long}x":3}`), {
      [long]: value,
      [`${long}x`]: 3,
    });
  });

  it('are found behind one that was cut out', () => {
    const value = 'v'.repeat(200);
    assert.deepEqual(attributes(`{"a":1,"b":"${value}","a":2,"b":3}`), { a: 2, b: 3 });
  });

  it('of a label leave the value of the line', () => {
    const context = root.withLabels({ tenant: 'acme', job: 'etl' });
    const { record } = emit('{"tenant":"other","msg":"m"}', { context });
    assert.deepEqual({ ...attributesOf(record) }, { job: 'etl', tenant: 'other' });
  });
});

describe('a line that is not one JSON object', () => {
  const lines = [
    'plain text',
    '[1]',
    '"text"',
    '{"a":1',
    '{"a":1}}',
    '{"a":1} x',
    '{"a":01}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":+1}',
    '{"a":1e}',
    '{"a":tru}',
    '{"a":"\\x"}',
    '{"a":"\\u12g4"}',
    '{"a":"tab\there"}',
    '{"a":"open',
    '{"a":"\\',
    '{"a":"\\u00',
    "{'a':1}",
    '{"a":1,}',
    '{,}',
    '{"a" 1}',
    '{"a":[1,]}',
    '{a:1}',
    '',
  ];
  for (const line of lines) {
    it(`is the body as it is: ${JSON.stringify(line)}`, () => {
      const { record, lines } = emit(`${line}\n`, { context: root.withLabels({ job: 'etl' }) });
      assert.equal(record.body ?? '', line);
      assert.deepEqual({ ...attributesOf(record) }, { job: 'etl' });
      assert.equal(record.severityNumber, 0);
      assert.equal(lines.malformed, 1);
    });
  }
});

describe('the bounds of a line', () => {
  it('keep 128 attributes and count the rest', () => {
    const members = (count: number) => Array.from({ length: count }, (_, i) => `"k${i}":${i}`).join(',');
    const full = emit(`{"msg":"m",${members(128)}}`).record;
    assert.equal(full.attributes.length, 128);
    assert.equal(full.droppedAttributesCount, 0);
    const over = emit(`{"msg":"m",${members(10_000)}}`).record;
    assert.equal(over.attributes.length, 128);
    assert.equal(over.droppedAttributesCount, 10_000 - 128);
    assert.equal(over.body, 'm');
  });

  it('cut a value between two characters', () => {
    const { record, lines } = emit('{"a":"12345","b":"1234é","c":"123456"}', {
      limits: { valueLength: 5 },
    });
    assert.deepEqual({ ...attributesOf(record) }, { a: '12345', b: '1234', c: '12345' });
    assert.equal(lines.truncated, 2);
  });

  it('keep nesting of 32 levels and the text of what is deeper', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    const depthOf = (value: unknown): number => (Array.isArray(value) ? 1 + depthOf(value[0]) : 0);
    assert.equal(depthOf(attributes(`{"a":${nested(32)}}`).a), 32);
    const deeper = attributes(`{"a":${nested(40)}}`).a;
    assert.equal(depthOf(deeper), 32);
    assert.match(JSON.stringify(deeper), /"\[{8}\]{8}"/);
    assert.equal(depthOf(attributes(`{"a":${nested(100_000)}}`).a), 32);
  });

  it('take only the start of an enormous line', () => {
    const { record } = emit(`{"msg":"${'x'.repeat(10_000_000)}"}`);
    assert.equal(String(record.body).length, 64 * 1024);
  });

  it('never write past the room, whatever its size', () => {
    const line =
      '{"msg":"plain \\u20ac\\ud83d\\ude00é","a":{"b":[1,-1,1.5,true,null,"\\n"]},"err":{"type":"T","code":1}}';
    const context = root.withLabels({ tenant: 'acme' }).withIdentity(SpanIdentity.root(1));
    const frame = frameOf(line, context);
    const whole = new Uint8Array(recordBytesMax(frame.length));
    const guarded = (room: number, write: (writer: Writer) => void): Writer => {
      const writer = new Writer(whole.fill(0xaa));
      writer.reset(whole, 0, room);
      write(writer);
      assert.ok(
        whole.subarray(room).every(byte => byte === 0xaa),
        `room of ${room}`,
      );
      assert.ok(writer.overflowed || writer.pos <= room);
      return writer;
    };
    const read = (writer: Writer): void => new LineReaders().read(frame, 0, frame.length, writer);
    const size = guarded(whole.length, read).pos;
    for (let room = 0; room < size + 8; room++) guarded(room, read);
    for (let room = 0; room < frame.length + 8; room++) {
      const { overflowed } = guarded(room, writer => {
        const sink = sinkInto(writer);
        new LoggerProvider({ sink }).getLogger('x').emitJsonLine(line, context);
      });
      assert.equal(overflowed, room < frame.length, `room of ${room}`);
    }
  });

  it('make a body of a line whose record has no room', () => {
    const line = `{"a":[${'-1,'.repeat(200)}-1]}`;
    const frame = frameOf(line, root);
    const writer = new Writer(new Uint8Array(frame.length + 32));
    const lines = new LineReaders();
    lines.read(frame, 0, frame.length, writer);
    const [record] = logRecordsIn({ request: () => requestOf(writer.bytes.subarray(0, writer.pos)) });
    assert.deepEqual([record!.body, lines.counters.malformed, writer.overflowed], [line, 1, false]);
  });

  it('suffice for any JSON in five times the bytes of its frame', () => {
    for (const part of [
      '-1,',
      '[],',
      '{},',
      '1.5,',
      '"",',
      '-0,',
      '9007199254740993,',
      '{"":-1},',
      '[[-1]],',
    ]) {
      const line = `{"a":[${part.repeat(20_000)}0]}`;
      assert.equal(emit(line, { frameBytes: 1024 * 1024 }).lines.malformed, 0, part);
    }
  });
});

describe('every line', () => {
  /** What OTLP says of a JSON value: null is an empty value, an integer that is not safe is a 64-bit one. */
  const asOtlp = (value: unknown): unknown => {
    if (value === null) return undefined;
    if (typeof value === 'string') return value.toWellFormed();
    if (typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d{16,19}$/.test(String(value)))
      return BigInt(String(value));
    if (Array.isArray(value)) return value.map(asOtlp);
    if (typeof value !== 'object') return value;
    const entries = Object.entries(value).map(([key, inner]) => [key.toWellFormed(), asOtlp(inner)]);
    return Object.assign(Object.create(null), Object.fromEntries(entries));
  };
  const known = [
    'level',
    'time',
    'msg',
    'pid',
    'hostname',
    'err',
    'error',
    'trace_id',
    'span_id',
    'trace_flags',
  ];
  const key = fc.string({ unit: 'grapheme' }).filter(text => !known.includes(text) && text !== '__proto__');
  const { value } = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(key, tie('value'), { maxKeys: 5 }),
    ),
  }));

  it('says what JSON.parse would read', () => {
    fc.assert(
      fc.property(
        fc.dictionary(key, value, { maxKeys: 8 }),
        fc.string({ unit: 'binary' }),
        (object, message) => {
          for (const indent of [0, 1]) {
            const line = JSON.stringify({ msg: message, ...object }, null, indent);
            const { record, lines } = emit(line, { frameBytes: 16 * 1024 });
            assert.equal(lines.malformed, 0);
            assert.deepEqual(record.body, asOtlp(message));
            assert.deepEqual(attributesOf(record), asOtlp(JSON.parse(JSON.stringify(object))));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is taken for an object exactly when JSON.parse takes it for one', () => {
    const noise = fc.constantFrom(...'{}[]",:\\u0019eE+-. \n\t', 'true', 'null', 'x', '\u0001', 'é');
    const text = fc.array(noise, { maxLength: 12 }).map(parts => `{"a":${parts.join('')}`);
    const accepted = (line: string): boolean => {
      try {
        return typeof JSON.parse(line) === 'object';
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(text, line => {
        assert.equal(emit(line, { frameBytes: 1024 }).lines.malformed === 0, accepted(line), line);
      }),
      { numRuns: 3000 },
    );
  });

  it('keeps a key __proto__ as data', () => {
    const result = attributesOf(emit('{"__proto__":{"polluted":1},"constructor":2}').record);
    assert.deepEqual(JSON.stringify(result), '{"__proto__":{"polluted":1},"constructor":2}');
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  it('keeps 64-bit integers exact and writes larger ones as doubles', () => {
    assert.deepEqual(
      attributes(
        '{"a":9223372036854775807,"b":-9223372036854775808,"c":9223372036854775808,"d":1e300,"e":-0,"f":1.0}',
      ),
      { a: 9223372036854775807n, b: -9223372036854775808n, c: 2 ** 63, d: 1e300, e: -0, f: 1 },
    );
  });

  it('is the same where the ring shares its memory', () => {
    const memory = allocateRing(64 * 1024);
    const producer = new RingProducer(memory, processClock.anchorUnixNanos);
    const line = `{"level":"WARNING","time":"${new Date(nowSeconds * 1000).toISOString()}","big":9223372036854775807,"é":1e3,"msg":"€","error":{"x":1}}`;
    const keys = { level: 'level', time: 'time', message: 'msg' };
    new LoggerProvider({ sink: producer }).getLogger('x').emitJsonLine(line, root, keys);
    const ring = new RingConsumer(memory);
    const writer = new Writer(new Uint8Array(4096));
    const lines = new LineReaders();
    while (ring.next())
      if (ring.kind === FrameKind.line) lines.read(ring.bytes, ring.start, ring.end, writer);
    const [record] = logRecordsIn({ request: () => requestOf(writer.bytes.subarray(0, writer.pos)) });
    assert.deepEqual(
      [record!.severityText, record!.timeUnixNano, record!.body, lines.counters.malformed],
      ['WARNING', BigInt(nowSeconds) * 1_000_000_000n, '€', 0],
    );
    assert.deepEqual(
      JSON.parse(JSON.stringify(attributesOf(record!), (_, v) => (typeof v === 'bigint' ? `${v}` : v))),
      {
        big: '9223372036854775807',
        é: 1000,
        error: { x: 1 },
      },
    );
  });
});
