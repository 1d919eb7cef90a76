// The rules of the logs SDK (specification/logs/sdk), seen through the OpenTelemetry API and what arrives.
import assert from 'node:assert/strict';
import { logs } from '@opentelemetry/api';
import { start, type Tricord } from '../../../src/index.ts';
import { readOptions } from '../../../src/read-options.ts';
import { attributesOf, logRecordsIn } from '../../decoded-records.ts';
import { warnings } from '../../warnings.ts';
import { notApplicable, rule } from '../rule.ts';
import { type HttpCollector, httpCollector } from './http-collector.ts';
import { logged } from './logged.ts';

const COUNT = 'OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT';
const LENGTH = 'OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT';

async function running(
  env: Readonly<Record<string, string>>,
  use: (agent: Tricord, collector: HttpCollector) => Promise<void>,
): Promise<void> {
  const collector = await httpCollector();
  const { endpoint } = collector;
  const before = { ...process.env };
  Object.assign(process.env, env);
  logs.disable();
  const agent = start({ endpoint, protocol: 'http/protobuf', transportThread: false, flushTimeout: 20_000 })!;
  process.env = before;
  try {
    await use(agent, collector);
  } finally {
    await agent.shutdown();
    collector.close();
  }
}

rule('logs/sdk § LoggerProvider', 'a resource is specified, and goes with all records', async () => {
  await running({ OTEL_RESOURCE_ATTRIBUTES: 'team=a' }, async (agent, { resources, logRecords }) => {
    logs.getLogger('a').emit({ body: 'x' });
    assert.equal(await agent.flush(), true);
    assert.equal(logRecords.length, 1);
    assert.ok(resources[0]!.some(({ key, value }) => key === 'team' && value === 'a'));
  });
});

rule('logs/sdk § LoggerProvider Creation', 'several independent providers', () => {
  const [one, other] = [logged(), logged()];
  one.logger.emit({ body: 'x' });
  assert.deepEqual([logRecordsIn(one.sink).length, logRecordsIn(other.sink).length], [1, 0]);
});

rule('logs/sdk § Logger Creation', 'without a name a logger that works, and a message', () => {
  const { provider, sink } = logged();
  for (const name of ['', null, undefined]) {
    const version = String(name);
    const warned = warnings(() => provider.getLogger(name as string, version).emit({ body: 'x' }));
    assert.equal(warned.length, 1, version);
  }
  assert.equal(logRecordsIn(sink).length, 3);
});

notApplicable(
  'logs/sdk § LoggerConfigurator',
  'a function computes the LoggerConfig of a logger (enabled, minimum severity, trace-based)',
  'in development; what is too much is thinned by severity and trace while there is no room, and collectors filter',
);

rule('logs/sdk § Shutdown', 'loggers are no-ops afterwards, old ones and new ones', async () => {
  await running({}, async (agent, { logRecords }) => {
    const logger = logs.getLogger('a');
    logger.emit({ body: 'before' });
    assert.equal(logger.enabled(), true);
    await agent.shutdown();
    logger.emit({ body: 'after' });
    logs.getLogger('b').emit({ body: 'after' });
    assert.deepEqual([logger.enabled(), logs.getLogger('b').enabled()], [false, false]);
    assert.deepEqual(
      logRecords.map(({ body }) => body),
      ['before'],
    );
  });
});

rule('logs/sdk § ForceFlush', 'everything is exported at once, and the caller knows', async () => {
  await running({ TRICORD_LOGS_LINGER: '60000' }, async (agent, { logRecords }) => {
    for (let i = 0; i < 10; i++) logs.getLogger('a').emit({ body: i });
    assert.equal(await agent.flush(), true);
    assert.equal(logRecords.length, 10);
  });
});

rule('logs/sdk § Emit a LogRecord', 'an exception becomes exception.type, .message and .stacktrace', () => {
  const exception = new RangeError('too far');
  const found = attributesOf(logged().emit({ exception }));
  assert.deepEqual(
    [found['exception.type'], found['exception.message'], found['exception.stacktrace']],
    ['RangeError', 'too far', exception.stack],
  );
});

rule('logs/sdk § Emit a LogRecord', 'attributes of the user are before those of the exception', () => {
  const attributes = { 'exception.message': 'redacted', 'exception.type': 'Mine' };
  const found = attributesOf(logged().emit({ exception: new Error('secret'), attributes }));
  assert.deepEqual([found['exception.type'], found['exception.message']], ['Mine', 'redacted']);
});

rule('logs/sdk § Enabled', 'true unless something turns the logger off', () => {
  const { logger, provider } = logged();
  assert.equal(logger.enabled({ severityNumber: 1 }), true);
  provider.shutdown();
  assert.equal(logger.enabled({ severityNumber: 21 }), false);
});

rule(
  'logs/sdk § ReadableLogRecord',
  'the count of attributes that a limit cost is there for exporters',
  () => {
    const record = logged({ attributes: 2 }).emit({ attributes: { a: 1, b: 2, c: 3, d: 4 } });
    assert.deepEqual([Object.keys(attributesOf(record)), record.droppedAttributesCount], [['a', 'b'], 2]);
  },
);

rule('logs/sdk § LogRecord Limits', 'count and length are configured for log records alone', async () => {
  const env = { [COUNT]: '2', [LENGTH]: '3', OTEL_ATTRIBUTE_COUNT_LIMIT: '50' };
  await running(env, async (agent, { logRecords }) => {
    const attributes = { a: 'abcdef', b: ['abcdef', 12345], c: 1 };
    logs.getLogger('a').emit({ attributes });
    await agent.flush();
    const [record] = logRecords;
    assert.deepEqual(attributesOf(record!), { __proto__: null, a: 'abc', b: ['abc', 12345] });
    assert.equal(record!.droppedAttributesCount, 1);
  });
});

rule('logs/sdk § LogRecord Limits', 'by default those of all attributes: 128, and of any length', () => {
  // Without one of their own the limits of all attributes hold.
  const { options } = readOptions({}, {});
  assert.deepEqual(
    [options.logRecordAttributeCountLimit, options.logRecordAttributeValueLengthLimit],
    [undefined, undefined],
  );
  assert.equal(options.attributeCountLimit, 128);
  const attributes = { long: 'x'.repeat(60_000) };
  assert.equal(String(attributesOf(logged().emit({ attributes })).long).length, 60_000);
});

notApplicable(
  'logs/sdk § LogRecord Limits',
  'texts of any length by default',
  '65,536 UTF-16 units at the most: a record is one frame of a bounded buffer',
);

rule(
  'logs/sdk § LogRecord Limits',
  'that attributes are discarded is told, at most once for each record',
  () => {
    const { emit } = logged({ attributes: 1 });
    const warned = warnings(() => {
      emit({ attributes: { a: 1, b: 2, c: 3 } });
      emit({ attributes: { a: 1, b: 2, c: 3 } });
    });
    assert.equal(warned.length, 1);
  },
);

for (const [section, text] of [
  ['ReadWriteLogRecord', 'processors modify a record'],
  ['LogRecordProcessor', 'processors are registered, and asked in turn'],
  ['Built-in processors', 'a simple one and one that batches'],
  ['LogRecordExporter', 'exporters are plugged in'],
] as const)
  notApplicable(`logs/sdk § ${section}`, text, 'there is one way out, OTLP in batches, and it is built in');
