// What BullMQ does against a real Redis: spans, metrics, and contexts that travel with jobs, in the form of its own telemetry.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { FlowProducer, Job, Queue, QueueOptions, Telemetry, Worker, WorkerOptions } from 'bullmq';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentBullmq } from '../../src/instrument/bullmq.ts';
import { redis } from '../servers/databases.ts';
import { missing, type RunningServer, start } from '../servers/server-process.ts';
import { activeSpanId, underSpan } from './active-span.ts';
import { linksOf, MessagingTelemetry, unsampled } from './messaging-telemetry.ts';
import { describesRow } from './observed-row.ts';

const telemetry = new MessagingTelemetry();
instrumentBullmq();

interface Package {
  Queue: new (name: string, options: QueueOptions) => Queue;
  FlowProducer: new (options: QueueOptions) => FlowProducer;
  Worker: new (name: string, work: (job: Job) => Promise<unknown>, options: WorkerOptions) => Worker;
  DelayedError: new () => Error;
}
const require = createRequire(import.meta.url);
const packages: Readonly<Record<string, Package>> = {
  'bullmq 6': require('bullmq') as Package,
  'bullmq 5': require('bullmq5') as Package,
};

const skip = missing(redis);
let server: RunningServer;
let queues = 0;
before(async () => {
  if (!skip) server = await start(redis);
});
after(() => server?.stop());

for (const [version, { Queue, FlowProducer, Worker, DelayedError }] of Object.entries(packages)) {
  describe(version, { skip }, () => {
    const open: { close(): Promise<unknown> }[] = [];
    let connection: { readonly host: string; readonly port: number };
    let name: string;
    let queue: Queue;
    before(() => {
      connection = { host: '127.0.0.1', port: server.port };
    });
    beforeEach(async () => {
      name = `mails-${++queues}`;
      queue = new Queue(name, { connection });
      open.push(queue);
      await queue.waitUntilReady();
      telemetry.clear();
    });
    after(() => Promise.all(open.map(each => each.close())));

    /** Resolves with what the worker of a queue gives for its first job. */
    const worked = <Result>(work: (job: Job) => Result, of = name) =>
      new Promise<Result>((resolve, reject) => {
        const process = async (job: Job): Promise<void> => {
          const result = work(job);
          resolve(result);
          await result;
        };
        const worker = new Worker(of, process, { connection });
        worker.on('error', reject);
        open.push(worker);
      });

    it('has a span for a job that is added, and one below it for the work on it', async () => {
      const parentId = await underSpan(() => queue.add('welcome', { to: 'canary' }));
      const inside = await worked(() => activeSpanId());
      const added = await telemetry.span(`add ${name}`);
      assert.deepEqual([added.kind, added.status, added.parentId], [4, 0, parentId]);
      const own = {
        'messaging.system': 'bullmq',
        'messaging.destination.name': name,
        'messaging.message.id': '1',
        'messaging.bullmq.job.name': 'welcome',
      };
      const adding = { 'messaging.operation.name': 'add', 'messaging.operation.type': 'send' };
      assert.deepEqual({ ...added.attributes }, { ...own, ...adding });
      const processed = await telemetry.span(`process ${name}`);
      assert.deepEqual(
        [processed.kind, processed.status, processed.traceId, processed.parentId, linksOf(processed)],
        [5, 0, added.traceId, added.spanId, [added.spanId]],
      );
      const processing = { 'messaging.operation.name': 'process', 'messaging.operation.type': 'process' };
      assert.deepEqual({ ...processed.attributes }, { ...own, ...processing });
      assert.equal(inside, processed.spanId);
    });

    it('has one span for jobs that are added at once, and counts and times them', async () => {
      await queue.addBulk([
        { name: 'a', data: 1 },
        { name: 'b', data: 2, opts: { attempts: 2 } },
      ]);
      await worked(() => new Promise(resolve => setTimeout(resolve, 20)));
      await telemetry.until(3);
      const added = await telemetry.span(`add ${name}`);
      assert.equal(added.attributes['messaging.batch.message_count'], 2);
      const processed = telemetry.spans.filter(span => span.name === `process ${name}`);
      assert.deepEqual(
        processed.map(({ parentId }) => parentId),
        [added.spanId, added.spanId],
      );
      const { point } = telemetry.point('process', ['process', name])!;
      assert.ok(point.sum! >= 0.035 && point.sum! < 20, String(point.sum));
      assert.equal(Number(telemetry.point('sent', ['add', name])!.point.value), 2);
      assert.equal(telemetry.point('operation', ['add', name])!.point.count, 1);
      assert.equal(Number(telemetry.point('consumed', ['process', name])!.point.value), 2);
      assert.deepEqual([await queue.addBulk([]), telemetry.spans.length], [[], 3]);
    });

    it('carries the context into every job of a flow', async () => {
      const producer = new FlowProducer({ connection });
      open.push(producer);
      const child = { name: 'child', queueName: `${name}-child`, opts: { attempts: 1 } };
      await producer.add({ name: 'parent', queueName: name, children: [child, child] });
      await worked(() => undefined, `${name}-child`);
      await worked(() => undefined);
      await telemetry.until(5);
      for (const [queue, count] of [
        [name, 1],
        [`${name}-child`, 2],
      ] as const) {
        const added = await telemetry.span(`add ${queue}`);
        const processed = telemetry.spans.filter(span => span.name === `process ${queue}`);
        assert.deepEqual(
          processed.map(({ parentId }) => parentId),
          new Array(count).fill(added.spanId),
        );
        assert.equal(Number(telemetry.point('sent', ['add', queue])!.point.value), count);
      }
    });

    it('leaves the options of the application as they are, and a context that is theirs', async () => {
      const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
      const metadata = JSON.stringify({ traceparent });
      const options = Object.freeze({ priority: 3, telemetry: Object.freeze({ metadata }) });
      await queue.add('a', {}, options);
      const job = await worked(job => job);
      assert.deepEqual([job.opts.priority, job.opts.telemetry?.metadata], [3, metadata]);
      assert.deepEqual(linksOf(await telemetry.span(`add ${name}`)), ['b'.repeat(16)]);
      assert.equal((await telemetry.span(`process ${name}`)).parentId, 'b'.repeat(16));
    });

    it('gives no context to a job that is to have none', async () => {
      await queue.add('a', {}, { telemetry: { omitContext: true } });
      const job = await worked(job => job);
      assert.equal(job.opts.telemetry?.metadata, undefined);
      assert.match((await telemetry.span(`process ${name}`)).parentId, /^0*$/);
    });

    it('fails with what the work throws, unless that only postpones it', async () => {
      await queue.add('a', {});
      const failed = new Promise(resolve => {
        const work = async (): Promise<void> => {
          throw new RangeError('no such thing');
        };
        const worker = new Worker(name, work, { connection });
        worker.on('failed', (_, error) => resolve(error.message));
        open.push(worker);
      });
      assert.equal(await failed, 'no such thing');
      const processed = await telemetry.span(`process ${name}`);
      assert.deepEqual([processed.status, processed.attributes['error.type']], [2, 'RangeError']);
      assert.equal(processed.span.events?.[0]?.name, 'exception');
      assert.equal(Number(telemetry.point('consumed', ['process', name], 'RangeError')!.point.value), 1);
    });

    it('is no failure of the work that it is postponed', async () => {
      await queue.add('a', {});
      let attempts = 0;
      const work = async (job: Job, token?: string): Promise<void> => {
        if (++attempts > 1) return;
        await job.moveToDelayed(Date.now() + 10, token);
        throw new DelayedError();
      };
      open.push(new Worker(name, work, { connection }));
      await telemetry.until(3);
      const statuses = telemetry.spans.map(({ name, status }) => `${name} ${status}`);
      assert.deepEqual(statuses, [`add ${name} 0`, `process ${name} 0`, `process ${name} 0`]);
    });

    it('rejects what BullMQ rejects', async () => {
      await assert.rejects(queue.add('a', {}, { jobId: '0' }), /JobId cannot be/);
      assert.equal(telemetry.spans[0]!.attributes['error.type'], 'Error');
      await assert.rejects(queue.addBulk(undefined as never), TypeError);
    });

    it('leaves queues to the telemetry that the application gives them', async () => {
      const operations: string[] = [];
      const startSpan = (operation: string): unknown => {
        operations.push(operation);
        return { setSpanOnContext: () => ({}), setAttributes() {}, end() {} };
      };
      const contextManager = {
        active: () => ({}),
        with: (_: unknown, run: () => unknown) => run(),
        getMetadata: () => '{"theirs":"1"}',
      };
      const own = { tracer: { startSpan }, contextManager } as unknown as Telemetry;
      const theirs = new Queue(name, { connection, telemetry: own });
      open.push(theirs);
      await theirs.add('a', {});
      const job = await worked(job => job);
      assert.deepEqual(operations, [`add ${name}.a`]);
      assert.equal(job.opts.telemetry?.metadata, '{"theirs":"1"}');
      await telemetry.span(`process ${name}`);
      assert.deepEqual(telemetry.names, [`process ${name}`]);
    });

    it('carries a trace that is not sampled, and counts its jobs', async () => {
      await unsampled(() => queue.add('a', {}));
      const job = await worked(job => job);
      const { traceparent } = JSON.parse(job.opts.telemetry!.metadata!) as { traceparent: string };
      assert.match(traceparent, /^00-1{32}-[0-9a-f]{16}-00$/);
      assert.equal(Number(telemetry.point('sent', ['add', name])!.point.value), 1);
      assert.deepEqual(telemetry.names, []);
    });

    it('leaves nothing where tracing is suppressed', async () => {
      await ObservabilityContext.active()
        .withSuppression(true)
        .run(() => queue.add('a', {}));
      const job = await worked(job => job);
      assert.equal(job.opts.telemetry?.metadata, undefined);
      assert.equal(telemetry.point('sent', ['add', name]), undefined);
    });
  });
}

describesRow(
  () => ({
    name: 'bullmq',
    libraries: ['bullmq', 'bullmq5'],
    server: `Redis ${server.version}`,
    example: 'add mails-1',
    seen: telemetry.seen('PRODUCER', 'CONSUMER'),
  }),
  skip,
);
