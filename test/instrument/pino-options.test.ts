// All ways to use pino: each option and each destination gives the line as pino writes it, and one record that says the same.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, it } from 'node:test';
import type Pino from 'pino';
import type { pinoHttp as PinoHttp } from 'pino-http';
import { instrumentHttpServer } from '../../src/instrument/http-server.ts';
import { instrumentLoadedPino } from '../../src/instrument/pino.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentHttpServer();
instrumentLoadedPino();
const require = createRequire(import.meta.url);
const pino: typeof Pino = require('pino');
const { pinoHttp } = require('pino-http') as { pinoHttp: typeof PinoHttp };

let lines: string[] = [];
const destination = { write: (line: string): void => void lines.push(line) };
beforeEach(() => {
  lines = [];
  telemetry.clear();
});

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** The one record of what a logger with these options is given. */
function recordOf(options: Pino.LoggerOptions, log: (logger: Pino.Logger) => void) {
  log(pino({ base: null, timestamp: false, ...options }, destination));
  const [record, ...others] = telemetry.records;
  assert.equal(others.length, 0);
  assert.equal(lines.length, 1);
  const { severityNumber, severityText } = record!.record;
  const attributes = plain(record!.attributes) as Record<string, unknown>;
  return { body: record!.body, severityNumber, severityText, attributes };
}

describe('a record of a pino logger', () => {
  it('has what a mixin adds, and what formatters make', () => {
    const { attributes } = recordOf(
      {
        base: {},
        mixin: () => ({ mixed: 1 }),
        formatters: {
          log: object => ({ ...object, formed: true }),
          bindings: each => ({ ...each, bound: 2 }),
        },
      },
      logger => logger.child({ job: 'etl' }).info({ order: 7 }, 'm'),
    );
    assert.deepEqual(attributes, { bound: 2, job: 'etl', mixed: 1, order: 7, formed: true });
  });

  it('has what serializers and redaction leave, in children too', () => {
    const { attributes } = recordOf(
      {
        serializers: { user: ({ id }: { id: number }) => ({ id }) },
        redact: { paths: ['a.secret'], remove: true },
      },
      logger =>
        logger
          .child({ job: 'etl' }, { redact: ['b.*'], serializers: { n: (n: number) => n + 1 } })
          .info({ user: { id: 7, name: 'canary' }, b: { x: 'canary' }, n: 1 }),
    );
    assert.deepEqual(attributes, { job: 'etl', user: { id: 7 }, b: { x: '[Redacted]' }, n: 2 });
  });

  it('has the exception of an error under the logger’s own key', () => {
    const { body, attributes } = recordOf({ errorKey: 'failure', messageKey: 'message' }, logger =>
      logger.error(Object.assign(new RangeError('too far'), { code: 'E_FAR' })),
    );
    const { 'exception.stacktrace': stack, ...others } = attributes;
    assert.equal(body, 'too far');
    assert.match(String(stack), /^RangeError: too far\n {4}at [\s\S]*\n {4}at /);
    assert.deepEqual(others, {
      'exception.type': 'RangeError',
      'exception.message': 'too far',
      failure: { code: 'E_FAR' },
    });
  });

  it('has the exception of an error that is nested under a key', () => {
    const { body, attributes } = recordOf({ nestedKey: 'payload' }, logger =>
      logger.error({ err: new RangeError('too far'), order: 7 }, 'failed'),
    );
    assert.equal(body, 'failed');
    assert.equal(attributes['exception.type'], 'RangeError');
    assert.match(String(attributes['exception.stacktrace']), /^RangeError: too far\n {4}at /);
    assert.deepEqual(attributes.payload, { order: 7 });
  });

  it('has the name of a custom level, and the severity of the name or else of the number', () => {
    const audit = recordOf({ customLevels: { audit: 35 } as never }, logger =>
      (logger as unknown as Pino.Logger<'audit'>).audit('m'),
    );
    assert.deepEqual([audit.severityText, audit.severityNumber], ['audit', 9]);
  });

  it('has the severity of a level whose number is on a scale of its own', () => {
    const custom = {
      customLevels: { debug: 1, info: 2, error: 3 },
      useOnlyCustomLevels: true,
      level: 'debug',
    };
    const record = recordOf(custom as never, logger => logger.error('m'));
    assert.deepEqual([record.severityText, record.severityNumber], ['error', 17]);
    telemetry.room = Number.MIN_VALUE;
    pino(custom as never, destination).error('vital');
    telemetry.room = 1;
    assert.equal(telemetry.records.at(-1)!.body, 'vital');
  });

  it('is made of what hooks.logMethod passes on, and of nothing that it keeps back', () => {
    const hooks: Pino.LoggerOptions['hooks'] = {
      logMethod(given, method) {
        if (given[0] !== ('secret' as never)) method.apply(this, ['hooked %s', ...given] as never);
      },
    };
    const { body } = recordOf({ hooks }, logger => {
      logger.info('secret');
      logger.info('m');
    });
    assert.equal(body, 'hooked m');
  });

  it('is one, however many streams there are', () => {
    const others: string[] = [];
    const streams = [
      { level: 'debug', stream: destination },
      { level: 'info', stream: { write: (line: string): void => void others.push(line) } },
    ] as const;
    const logger = pino({ level: 'debug' }, pino.multistream([...streams]));
    logger.debug('one');
    logger.info('two');
    assert.deepEqual([lines.length, others.length], [2, 1]);
    assert.deepEqual(
      telemetry.records.map(({ body }) => body),
      ['one', 'two'],
    );
  });
});

describe('pino-http', () => {
  it('logs its requests under their spans', async () => {
    const log = pinoHttp({ logger: pino(destination) });
    const server = createServer((request, response) => {
      log(request, response);
      request.log.info('asked');
      if (request.url === '/failing') response.err = new RangeError('too far');
      response.statusCode = request.url === '/failing' ? 500 : 200;
      response.end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    for (const path of ['/fine', '/failing']) {
      const [response] = await once(get({ port, path, agent: false }), 'response');
      await once(response.resume(), 'end');
    }
    server.close();
    await once(server, 'close');
    const spans = await telemetry.until(2);
    const bodies = telemetry.records.map(({ body, spanId }) => [body, spanId]);
    assert.deepEqual(bodies, [
      ['asked', spans[0]!.spanId],
      ['request completed', spans[0]!.spanId],
      ['asked', spans[1]!.spanId],
      ['request errored', spans[1]!.spanId],
    ]);
    const { attributes } = telemetry.records[3]!;
    assert.equal(attributes['exception.type'], 'RangeError');
    assert.equal((attributes.req as { url?: string }).url, '/failing');
    assert.equal((attributes.res as { statusCode?: number }).statusCode, 500);
    for (const line of lines) assert.match(line, /"trace_id":"[0-9a-f]{32}"/);
  });
});
