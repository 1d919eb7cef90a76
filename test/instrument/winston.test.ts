// Real winston loggers of every kind: what they write, and what arrives as log records.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { beforeEach, describe, it } from 'node:test';
import { context, trace } from '@opentelemetry/api';
import type Winston from 'winston';
import { instrumentWinston } from '../../src/instrument/winston.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentWinston();
const winston: typeof Winston = createRequire(import.meta.url)('winston');
const { format } = winston;
/** What its types call by another name. */
const { Transport } = winston as unknown as {
  Transport: new (options?: object) => Winston.transport;
};

const span = trace.getTracer('test').startSpan('work');
const { traceId, spanId } = span.spanContext();
const underSpan = (run: () => void): void => context.with(trace.setSpan(context.active(), span), run);

let lines: string[] = [];
const MESSAGE = Symbol.for('message');
/** A transport that keeps what it is to write. */
class Kept extends Transport {
  override log(info: Record<symbol, string>, done: () => void): void {
    lines.push(info[MESSAGE]!);
    done();
  }
}

/** Transports are connected when the loop turns; lines before that wait. */
async function loggerOf(options: Winston.LoggerOptions = {}): Promise<Winston.Logger> {
  const logger = winston.createLogger({ transports: new Kept(), ...options });
  await new Promise(setImmediate);
  return logger;
}

const plain = (value: unknown): Record<string, unknown> => JSON.parse(JSON.stringify(value));
const seen = () =>
  telemetry.records.map(({ body, attributes, record }) => ({
    body,
    severity: record.severityNumber,
    attributes: plain(attributes),
  }));

beforeEach(() => {
  lines = [];
  telemetry.clear();
});

describe('what a winston logger writes', () => {
  it('has the IDs of its span, and none outside of any', async () => {
    const logger = await loggerOf({ format: format.json({ deterministic: false }) });
    underSpan(() => logger.info('with', { a: 1 }));
    logger.info('without', { a: 1 });
    const ids = { trace_id: traceId, span_id: spanId, trace_flags: '03' };
    assert.deepEqual(
      lines.map(line => JSON.parse(line)),
      [
        { a: 1, level: 'info', message: 'with', ...ids },
        { a: 1, level: 'info', message: 'without' },
      ],
    );
    assert.deepEqual(
      telemetry.records.map(record => [record.body, record.traceId, record.spanId]),
      [
        ['with', traceId, spanId],
        ['without', '', ''],
      ],
    );
    assert.deepEqual(
      seen().map(({ attributes }) => attributes),
      [{ a: 1 }, { a: 1 }],
    );
  });

  it('is otherwise as without the agent, symbols included', async () => {
    const logger = await loggerOf({ format: format.prettyPrint() });
    logger.info({ message: 'm', n: 1 });
    assert.deepEqual(lines, ["{ message: 'm', n: 1, level: 'info' }"]);
  });
});

describe('a log record of winston', () => {
  it('is one for each line that some transport writes, however many there are', async () => {
    const silent = new Writable({ objectMode: true, write: (_info, _encoding, done) => done() });
    const logger = await loggerOf({
      level: 'info',
      transports: [
        new Kept(),
        new Kept({ level: 'debug' }),
        new winston.transports.Stream({ stream: silent }),
      ],
    });
    logger.info('three');
    logger.debug('one');
    logger.silly('none');
    assert.deepEqual(lines, [
      '{"level":"info","message":"three"}',
      '{"level":"info","message":"three"}',
      '{"level":"debug","message":"one"}',
    ]);
    assert.deepEqual(
      seen().map(({ body }) => body),
      ['three', 'one'],
    );
    logger.silent = true;
    logger.error('silent');
    assert.equal(telemetry.records.length, 2);
  });

  it('has what children, default metadata, splat and formats make of it, as structured values', async () => {
    const hide = format(info => Object.assign(info, { password: undefined, message: `${info.message}!` }));
    const logger = await loggerOf({
      defaultMeta: { service: 'shop' },
      format: format.combine(format.splat(), hide(), format.timestamp(), format.json()),
    });
    const before = Date.now();
    logger
      .child({ job: { id: 7 } })
      .info('order %d of %s', 3, 'acme', { password: 'canary', list: [1, 'b'] });
    const [record] = telemetry.records;
    assert.equal(record!.body, 'order 3 of acme!');
    assert.deepEqual(plain(record!.attributes), { service: 'shop', job: { id: 7 }, list: [1, 'b'] });
    const millis = Number(record!.record.timeUnixNano / 1_000_000n);
    assert.ok(millis >= before && millis <= Date.now(), `${millis}`);
  });

  it('is left out where a format leaves the line out, and has the text that printf prints without', async () => {
    const noHealth = format(info => info.path !== '/health' && info);
    const logger = await loggerOf({
      format: format.combine(
        noHealth(),
        format.printf(info => `> ${info.message}`),
      ),
    });
    logger.info('asked', { path: '/health' });
    logger.info('asked', { path: '/users' });
    assert.deepEqual(lines, ['> asked']);
    assert.deepEqual(seen(), [{ body: 'asked', severity: 9, attributes: { path: '/users' } }]);
  });

  it('has the severity of the level’s name, and of its rank where the name tells nothing', async () => {
    const expected = {
      npm: [17, 13, 9, 7, 6, 5, 1],
      syslog: [23, 22, 21, 17, 13, 10, 9, 5],
      custom: [21, 13, 9, 9],
    };
    const custom = { fatal: 0, warn: 1, audit: 2, info: 3 };
    const sets = { npm: winston.config.npm.levels, syslog: winston.config.syslog.levels, custom };
    for (const [name, levels] of Object.entries(sets)) {
      telemetry.clear();
      const logger = await loggerOf({
        levels,
        level: Object.keys(levels).at(-1)!,
        format: format.colorize({ colors: { audit: 'red', fatal: 'red' } }),
      });
      for (const level of Object.keys(levels)) logger.log(level, 'm');
      assert.deepEqual(
        seen().map(({ severity }) => severity),
        expected[name as keyof typeof expected],
        name,
      );
      assert.deepEqual(
        telemetry.records.map(({ record }) => record.severityText),
        Object.keys(levels),
      );
    }
  });

  it('belongs to where it was written, also when its transport takes it later', async () => {
    const taken: (() => void)[] = [];
    class Slow extends Transport {
      override log(_info: unknown, done: () => void): void {
        taken.push(done);
      }
    }
    const logger = await loggerOf({ transports: new Slow({ highWaterMark: 1 } as object) });
    underSpan(() => {
      for (let i = 0; i < 50; i++) logger.info(`line ${i}`);
    });
    assert.ok(telemetry.records.length < 50, 'nothing had to wait');
    while (telemetry.records.length < 50) {
      taken.shift()!();
      await new Promise(setImmediate);
    }
    for (const record of telemetry.records) assert.equal(record.spanId, spanId);
  });
});

describe('an error in a log record of winston', () => {
  const ways: Record<string, (logger: Winston.Logger, failure: Error) => void> = {
    alone: (logger, failure) => logger.error(failure),
    'as the message': (logger, failure) => logger.log({ level: 'error', message: failure as never }),
    'behind the message': (logger, failure) => logger.error('failed', failure),
    'of a child': (logger, failure) => logger.child({}).error(failure),
    'as err': (logger, failure) => logger.error('failed', { err: failure }),
    'as error': (logger, failure) => logger.error({ message: 'failed', error: failure }),
  };
  for (const [name, log] of Object.entries(ways)) {
    it(`is its exception, the stack as it is: ${name}`, async () => {
      for (const formats of [format.json(), format.combine(format.errors({ stack: true }), format.json())]) {
        telemetry.clear();
        const failure = new RangeError('too far\nby two');
        const { stack } = failure;
        log(await loggerOf({ format: formats }), failure);
        assert.deepEqual(seen()[0]!.attributes, {
          'exception.type': 'RangeError',
          'exception.message': 'too far\nby two',
          'exception.stacktrace': stack,
        });
      }
    });
  }

  it('keeps what else it has', async () => {
    const logger = await loggerOf();
    logger.error('failed', { err: Object.assign(new Error('no'), { errno: 2 }) });
    assert.deepEqual(seen()[0]!.attributes.err, { errno: 2 });
  });

  it('tells nothing that a format took out', async () => {
    const mask = format(info => {
      const { stack: _, ...others } = info;
      return { ...others, message: String(info.message).replace('canary', '***') } as typeof info;
    });
    const logger = await loggerOf({
      format: format.combine(format.errors({ stack: true }), mask(), format.json()),
    });
    const error = new TypeError('canary');
    logger.error(error);
    delete (error as { level?: unknown }).level;
    const [record] = telemetry.records;
    assert.ok(!JSON.stringify([record!.body, record!.attributes]).includes('canary'));
    const isShown = Symbol.for('level') in error;
    assert.ok(isShown);
  });
});
