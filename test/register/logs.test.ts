// Applications of their own process whose lines become log records: once each, as the options say, the output as it was.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { attributesOf } from '../decoded-records.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { type Run, run, withNothing } from './application.ts';
import { arrivedAt } from './arrived.ts';

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

const observed = (script: string, env: NodeJS.ProcessEnv = {}): Promise<Run> =>
  run(script, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env } });

const withConsole = { TRICORD_INSTRUMENTATIONS: 'all,console' };
const bodies = (): unknown[] => arrivedAt(collector).records.map(({ body }) => body);
const exceptions = (): unknown[] =>
  arrivedAt(collector).records.map(record => attributesOf(record)['exception.type']);

const inSpan = (script: string): string => `const { trace } = require('@opentelemetry/api');
  trace.getTracer('t').startActiveSpan('s', span => { ${script}; span.end(); });`;

describe('the console', () => {
  const script = `console.log('a %s', 'b', { c: [1] }); console.info(); console.debug('d');
    console.group('g'); console.warn('w'); console.groupEnd();
    console.error('failed', new RangeError('too far')); console.trace('t %d', 1); console.table([[1]]);
    require('node:util').debuglog('app')('left alone %d', 1); process.stdout.write('plain\\n')`;

  it('is left alone unless it is named', async () => {
    await observed(script);
    assert.deepEqual(bodies(), []);
  });

  it('becomes records with severities, and its output stays as it is to the byte', async () => {
    const env = { NODE_DEBUG: 'app' };
    const [withIt, without] = await Promise.all([
      observed(script, { ...withConsole, ...env }),
      run(script, { flags: withNothing, env }),
    ]);
    const nameless = ({ stderr, ...others }: Run): Run => ({
      ...others,
      stderr: stderr.replace(/APP \d+/, 'APP'),
    });
    assert.deepEqual(nameless(withIt), nameless(without));
    assert.match(withIt.stderr, /left alone 1/);
    const { records } = arrivedAt(collector);
    assert.deepEqual(
      records.map(({ severityNumber, severityText }) => [severityNumber, severityText]),
      [
        [9, 'log'],
        [9, 'info'],
        [5, 'debug'],
        [9, 'log'],
        [13, 'warn'],
        [17, 'error'],
        [1, 'trace'],
        [9, 'log'],
      ],
    );
    assert.equal(records[0]!.body, 'a b { c: [ 1 ] }');
    assert.match(String(records[5]!.body), /^failed RangeError: too far\n {4}at /);
    assert.match(String(records[6]!.body), /^Trace: t 1\n {4}at /);
    assert.equal(exceptions()[5], 'RangeError');
  });

  it('does not follow itself when diagnostics are written to it', async () => {
    await observed(
      `const { diag, DiagConsoleLogger, DiagLogLevel, metrics } = require('@opentelemetry/api');
       diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.ALL);
       console.log({ [Symbol.for('nodejs.util.inspect.custom')]() { diag.warn('inner'); return 'outer'; } })`,
      withConsole,
    );
    assert.equal(bodies().filter(body => body === 'outer').length, 1);
  });

  it('has no record of lines that pino and winston write to it', async () => {
    const { stdout } = await observed(
      `const { pino } = require('pino'), winston = require('winston');
       pino({ base: null }, { write: line => console.log(line.trimEnd()) }).info('by pino');
       const logger = winston.createLogger({ transports: new winston.transports.Console({ forceConsole: true }) });
       logger.info('by winston');
       setImmediate(() => console.log('by hand'))`,
      withConsole,
    );
    assert.equal(stdout.split('\n').length, 4);
    assert.deepEqual(bodies().sort(), ['by hand', 'by pino', 'by winston']);
  });
});

describe('log lines', () => {
  const both = inSpan(`require('pino').pino({ base: null, timestamp: false }).info({ n: 1 }, 'by pino');
    const winston = require('winston');
    winston.createLogger({ transports: new winston.transports.Console() }).info('by winston')`);

  it('of pino and winston are records, with the same IDs in their lines', async () => {
    const { stdout } = await observed(both);
    const ids = stdout.match(/"trace_id":"[0-9a-f]{32}"/g)!;
    assert.equal(ids.length, 2);
    assert.equal(ids[0], ids[1]);
    assert.deepEqual(bodies(), ['by pino', 'by winston']);
  });

  it('are only correlated when they are not to be captured; records of the API are sent all the same', async () => {
    const emit = `require('@opentelemetry/api').logs.getLogger('x').emit({ body: 'by the API' })`;
    const { stdout } = await observed(`${both}; console.log('x'); ${emit}`, {
      ...withConsole,
      TRICORD_LOGS_CAPTURE: 'off',
    });
    assert.equal(stdout.match(/"trace_id"/g)!.length, 2);
    assert.deepEqual(bodies(), ['by the API']);
  });

  it('are filtered where the transport’s thread reads them, and without a thread', async () => {
    for (const TRICORD_TRANSPORT_THREAD of ['on', 'off']) {
      await observed(
        `require('pino').pino({ base: null }).info({ a: { b: 'canary', c: 1 }, d: 2 }, 'm') || 0`,
        {
          TRICORD_LOGS_FIELDS: '-a.b, d=***',
          TRICORD_TRANSPORT_THREAD,
        },
      );
    }
    const attributes = arrivedAt(collector).records.map(record => JSON.stringify(attributesOf(record)));
    assert.deepEqual(attributes, Array(2).fill('{"a":{"c":1},"d":"***"}'));
  });

  it('are records when a transport of pino’s writes them in a thread of its own', async () => {
    const { stdout } = await observed(
      inSpan(`const { pino } = require('pino');
        pino(pino.transport({ targets: [{ target: 'pino/file' }] })).info('in a thread')`),
    );
    assert.match(stdout, /"trace_id":"[0-9a-f]{32}".*"msg":"in a thread"/);
    assert.deepEqual(bodies(), ['in a thread']);
  });

  it('of an exception that winston handles arrive before it ends the process', async () => {
    const { code } = await observed(
      `const winston = require('winston');
       winston.createLogger({ exceptionHandlers: [new winston.transports.Console()], transports: new winston.transports.Console() });
       setImmediate(() => { throw new RangeError('too far') })`,
    );
    assert.equal(code, 1);
    assert.match(String(bodies()[0]), /^uncaughtException: too far\nRangeError: too far\n {4}at /);
    assert.deepEqual(exceptions(), ['RangeError']);
  });
});
