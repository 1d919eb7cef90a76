// Real pino loggers of every kind: what they write, and what arrives as log records.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { beforeEach, describe, it } from 'node:test';
import { context, trace } from '@opentelemetry/api';
import type Pino from 'pino';
import { instrumentLoadedPino, instrumentPino } from '../../src/instrument/pino.ts';
import { describesRow, nothing } from './observed-row.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentLoadedPino();
const pino: typeof Pino = createRequire(import.meta.url)('pino');

let lines: string[] = [];
const destination = { write: (line: string): void => void lines.push(line) };
const span = trace.getTracer('test').startSpan('work');
const { traceId, spanId } = span.spanContext();
const underSpan = (fn: () => void): void => context.with(trace.setSpan(context.active(), span), fn);
const ids = `,"trace_id":"${traceId}","span_id":"${spanId}","trace_flags":"03"`;

beforeEach(() => {
  lines = [];
  telemetry.clear();
});

describe('lines without room for all', () => {
  it('are left out below WARN alone, and those kept say it; what pino writes stays whole', () => {
    const logger = pino({ level: 'debug' }, destination);
    const named = pino({ formatters: { level: level => ({ level }) } }, destination);
    const count = 2000;
    telemetry.room = 1 / 4;
    for (let i = 0; i < count; i++) {
      logger.debug('d');
      logger.info('i');
      named.info('n');
      logger.warn('w');
      named.error('e');
    }
    telemetry.room = 1;
    assert.equal(lines.length, 5 * count);
    const kept = {
      d: [1 / 16, 'f'],
      i: [1 / 4, 'c'],
      n: [1 / 4, 'c'],
      w: [1, undefined],
      e: [1, undefined],
    } as const;
    const { records } = telemetry;
    for (const [body, [share, threshold]] of Object.entries(kept)) {
      const of = records.filter(record => record.body === body);
      const fiveDeviations = 5 * Math.sqrt(count * share * (1 - share));
      assert.ok(Math.abs(of.length - count * share) <= fiveDeviations, `${of.length} of ${body}`);
      for (const record of of) assert.equal(record.attributes['sampling.threshold'], threshold);
    }
  });
});

describe('a line under a span', () => {
  it('has the IDs behind level and time, and is otherwise as pino writes it', () => {
    const options = { base: null, timestamp: false };
    const logger = pino(options, destination);
    logger.info({ a: 1 }, 'without');
    underSpan(() => logger.info({ a: 1 }, 'with'));
    assert.deepEqual(lines, [
      '{"level":30,"a":1,"msg":"without"}\n',
      `{"level":30${ids},"a":1,"msg":"with"}\n`,
    ]);
  });

  it('is one of a child, of a child with its own options, and of a logger with CRLF', () => {
    const logger = pino({ base: null, timestamp: false, crlf: true }, destination);
    const child = logger.child({ job: 'etl' });
    const grandchild = child.child({ step: 2 }, { redact: ['secret'], msgPrefix: '> ' });
    underSpan(() => {
      logger.warn('root');
      child.warn('child');
      grandchild.warn({ secret: 'x' }, 'grandchild');
    });
    assert.deepEqual(lines, [
      `{"level":40${ids},"msg":"root"}\r\n`,
      `{"level":40${ids},"job":"etl","msg":"child"}\r\n`,
      `{"level":40${ids},"job":"etl","step":2,"secret":"[Redacted]","msg":"> grandchild"}\r\n`,
    ]);
  });

  it('stays valid JSON whatever it says, the IDs at its top level', () => {
    const logger = pino({ nestedKey: 'payload', messageKey: 'message' }, destination);
    underSpan(() => logger.error({ text: '"}\n{"', deep: { a: [{}] } }, '}{'));
    const line = JSON.parse(lines[0]!) as Record<string, unknown>;
    assert.equal(line.trace_id, traceId);
    assert.equal(line.message, '}{');
    assert.deepEqual(line.payload, { text: '"}\n{"', deep: { a: [{}] } });
  });

  it('names the span that is active, one after the other', () => {
    const logger = pino({}, destination);
    const other = trace.getTracer('test').startSpan('other');
    underSpan(() => logger.info('first'));
    context.with(trace.setSpan(context.active(), other), () => logger.info('second'));
    underSpan(() => logger.info('third'));
    logger.info('fourth');
    const ids = lines.map(line => (JSON.parse(line) as { span_id?: string }).span_id);
    assert.deepEqual(ids, [spanId, other.spanContext().spanId, spanId, undefined]);
  });
});

describe('a log record', () => {
  it('is the line: severity, time, body, attributes, IDs', () => {
    const logger = pino({ base: { pid: 1, hostname: 'h' } }, destination).child({ job: 'etl' });
    const before = Date.now();
    underSpan(() => logger.error({ err: new RangeError('too far'), order: 7 }, 'failed'));
    const [record] = telemetry.records;
    assert.equal(record!.body, 'failed');
    assert.equal(record!.record.severityNumber, 17);
    assert.equal(record!.traceId, traceId);
    assert.equal(record!.spanId, spanId);
    assert.equal(record!.record.flags & 1, 1);
    const { 'exception.stacktrace': stack, ...attributes } = record!.attributes;
    assert.match(String(stack), /^RangeError: too far\n/);
    assert.deepEqual(
      { ...attributes },
      { job: 'etl', order: 7, 'exception.type': 'RangeError', 'exception.message': 'too far' },
    );
    const millis = Number(record!.record.timeUnixNano / 1_000_000n);
    assert.ok(millis >= before - 1 && millis <= Date.now() + 1, `${millis}`);
  });

  it('is made without a span too, and for disabled levels neither it nor the line', () => {
    const logger = pino({ level: 'warn' }, destination);
    logger.info('unheard');
    logger.warn('heard');
    assert.deepEqual(
      telemetry.records.map(record => [record.body, record.traceId]),
      [['heard', '']],
    );
    assert.equal(lines.length, 1);
  });

  it('knows level, time and message by the names that the logger gives them', () => {
    const options: Pino.LoggerOptions = {
      base: null,
      messageKey: 'message',
      formatters: { level: label => ({ severity: label.toUpperCase() }) },
      timestamp: () => ',"@timestamp":"2026-01-02T03:04:05.678Z"',
    };
    pino(options, destination).child({ a: 1 }).warn('named');
    pino({ base: null }, destination).warn('plain');
    const [named, plain] = telemetry.records;
    assert.equal(named!.body, 'named');
    assert.equal(named!.record.severityNumber, 13);
    assert.equal(named!.record.timeUnixNano / 1_000_000n, BigInt(Date.parse('2026-01-02T03:04:05.678Z')));
    assert.deepEqual({ ...named!.attributes }, { a: 1 });
    assert.equal(plain!.body, 'plain');
  });

  it('is the same whatever is known of the head of its line', () => {
    const bindings = { pid: 7, hostname: 'h' };
    const loggers = [
      pino({ base: bindings }, destination),
      pino({ base: bindings, timestamp: pino.stdTimeFunctions.isoTime }, destination),
      pino({ base: bindings, timestamp: pino.stdTimeFunctions.unixTime }, destination),
      pino({ base: { ...bindings, module: 'é"\n' } }, destination),
      pino({ base: bindings, nestedKey: 'payload' }, destination),
      pino({ base: bindings, formatters: { level: (label, level) => ({ label, level }) } }, destination),
      pino({ base: { ...bindings, trace_id: 'mine' } }, destination),
    ];
    // What a logger's lines have in common is learnt from the first of them.
    const log = (): void => loggers.forEach(logger => void logger.info({ order: 7, text: '"é' }, 'placed'));
    for (let round = 0; round < 4; round++) log();
    underSpan(log);
    const rounds = Array.from({ length: 5 }, (_, round) =>
      telemetry.records.slice(round * loggers.length, (round + 1) * loggers.length),
    );
    const facts = rounds.map(records =>
      records.map(({ body, attributes, record: { severityNumber, severityText, timeUnixNano } }) => {
        assert.ok(timeUnixNano > 0n);
        return { body, severityNumber, severityText, attributes: { ...attributes } };
      }),
    );
    for (const later of facts.slice(1, 4)) assert.deepEqual(later, facts[0]);
    delete facts[0]![6]!.attributes.trace_id;
    assert.deepEqual(facts[4], facts[0]);
    assert.deepEqual(facts[0]![0], {
      ...{ body: 'placed', severityNumber: 9, severityText: 'info' },
      attributes: { order: 7, text: '"é' },
    });
    assert.equal(facts[0]![3]!.attributes.module, 'é"\n');
    assert.equal(facts[0]![5]!.attributes.level, 30);
  });

  it('has a severity for custom levels', () => {
    const logger = pino({ customLevels: { audit: 35 } }, destination);
    logger.audit('custom');
    assert.equal(telemetry.records[0]!.body, 'custom');
    assert.ok(telemetry.records[0]!.record.severityNumber >= 9);
  });

  it('carries nothing that redaction, a serializer or a hook took out of the line', () => {
    const redacting = { redact: ['password'], serializers: { token: () => 'hidden' } };
    pino(redacting, destination).info({ password: 'canary', token: 'canary' }, 'one');
    const hooks = { streamWrite: (line: string) => line.replaceAll('canary', '***') };
    pino({ hooks } as Pino.LoggerOptions, destination).info({ card: 'canary' }, 'two canary');
    const sent = JSON.stringify(telemetry.records.map(({ body, attributes }) => [body, attributes]));
    assert.ok(!sent.includes('canary'), sent);
    assert.ok(!lines.join('').includes('canary'));
    assert.equal(telemetry.records.length, 2);
  });
});

describe('instrumentPino()', () => {
  it('does nothing the second time', () => {
    instrumentPino(pino);
    underSpan(() => pino({ base: null, timestamp: false }, destination).info('once'));
    assert.deepEqual(lines, [`{"level":30${ids},"msg":"once"}\n`]);
    assert.equal(telemetry.records.length, 1);
  });

  it('refuses what is not pino', () => {
    assert.throws(() => instrumentPino(Object.assign(() => ({}), { symbols: {} })), TypeError);
  });
});

describesRow(() => ({
  name: 'pino',
  libraries: ['pino'],
  server: '',
  example: '',
  seen: nothing,
}));
