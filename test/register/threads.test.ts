// Worker threads of an application: what each of them makes arrives, as what the main thread makes does.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type DecodedResource, decodeMetrics, decodeTraces, Signal } from 'tricord/otlp';
import { attributesOf, hex } from '../decoded-records.ts';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { type Run, type RunOptions, registerFile, run } from './application.ts';
import { arrivedAt } from './arrived.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-threads-'));
after(() => rmSync(folder, { recursive: true }));

let collector: TestCollector;
beforeEach(async () => {
  collector = await TestCollector.start();
});
afterEach(() => collector.stop());

const prelude = `
  const worker = require('node:worker_threads');
  const repository = require('node:module').createRequire(${JSON.stringify(registerFile)});
  const { metrics, trace } = repository('@opentelemetry/api');
  const span = name => trace.getTracer('t').startSpan(name).end();
`;

/** Runs the script as an application, which starts a thread by `start()`. */
function observed(script: string, inThread: string, options: RunOptions = {}): Promise<Run> {
  const [main, thread] = [join(folder, 'main.cjs'), join(folder, 'thread.cjs')];
  const start = `const start = options => new worker.Worker(${JSON.stringify(thread)}, options);`;
  writeFileSync(thread, `${prelude}${inThread}`);
  writeFileSync(main, `${prelude}${start}${script}`);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...options.env };
  return run(main, { ...options, env });
}

const names = (): string[] =>
  arrivedAt(collector)
    .spans.map(({ name }) => name)
    .sort();

interface Instance {
  readonly attributes: Record<string, unknown>;
  readonly spans: string[];
  readonly metrics: Set<string>;
}

/** What has arrived, by the ID of its service instance. */
function instances(): ReadonlyMap<string, Instance> {
  const found = new Map<string, Instance>();
  for (const { signal, payload } of collector.taken) {
    let instance: Instance | undefined;
    const resource = (described: DecodedResource): void => {
      const attributes = attributesOf(described);
      const id = String(attributes['service.instance.id']);
      instance = found.get(id) ?? { attributes, spans: [], metrics: new Set() };
      found.set(id, instance);
    };
    if (signal === Signal.traces)
      decodeTraces(payload, { resource, span: ({ name }) => instance!.spans.push(name) });
    if (signal === Signal.metrics)
      decodeMetrics(payload, { resource, metric: ({ name }) => void instance!.metrics.add(name) });
  }
  return found;
}

/** One that has made this span. */
function instanceOf(span: string): Instance {
  const instance = [...instances().values()].find(({ spans }) => spans.includes(span));
  assert.ok(instance, span);
  return instance;
}

const outcome = ({ code, signal, stderr }: Run): unknown => ({ code, signal, stderr });
const well = { code: 0, signal: null, stderr: '' };

describe('a worker thread', () => {
  it('is observed as an instance of its own of the same service', async () => {
    const run = await observed("span('in main'); start();", "span('in thread');");
    assert.deepEqual(outcome(run), well);
    const [main, thread] = [instanceOf('in main').attributes, instanceOf('in thread').attributes];
    const differing = Object.keys(thread).filter(key => thread[key] !== main[key]);
    assert.deepEqual(differing.sort(), ['service.instance.id', 'thread.id']);
    assert.ok(Number(thread['thread.id']) > 0);
  });

  it('takes the name of the service from the application, not from where its own file lies', async () => {
    await observed("span('in main'); start();", "span('in thread');", { env: { OTEL_SERVICE_NAME: '' } });
    const [main, thread] = [instanceOf('in main').attributes, instanceOf('in thread').attributes];
    assert.equal(thread['service.name'], main['service.name']);
    assert.equal(thread['process.command'], main['process.command']);
  });

  it('has its ID behind an instance ID that is configured', async () => {
    const env = { OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=pod-7' };
    await observed("span('in main'); start();", "span('in thread');", { env });
    const { 'thread.id': id } = instanceOf('in thread').attributes;
    assert.deepEqual([...instances().keys()].sort(), ['pod-7', `pod-7/${id}`]);
  });

  it('tells of its own event loop and heap, and leaves what the process takes to the main thread', async () => {
    await observed("span('in main'); start();", "span('in thread'); setTimeout(() => {}, 50);");
    const [main, thread] = [instanceOf('in main').metrics, instanceOf('in thread').metrics];
    for (const own of ['nodejs.eventloop.time', 'v8js.memory.heap.used']) {
      assert.ok(main.has(own) && thread.has(own), own);
    }
    for (const shared of ['process.cpu.time', 'process.memory.usage']) {
      assert.deepEqual([main.has(shared), thread.has(shared)], [true, false], shared);
    }
  });

  it('needs no transport thread beside that of the main thread', async () => {
    const counting = `let threads = 0;
      require('node:diagnostics_channel').subscribe('worker_threads', () => threads++);
      process.on('exit', () => console.log(threads));`;
    const { stdout } = await observed(
      `${counting} span('in main'); start(); start();`,
      `${counting} span('in thread');`,
    );
    assert.deepEqual(stdout.trim().split('\n').sort(), ['0', '0', '3']);
    assert.deepEqual(names(), ['in main', 'in thread', 'in thread']);
  });

  it('is observed when it is made of text, and the agent came by --require', async () => {
    const thread = `${prelude} span('of text');`;
    const run = await observed(`new worker.Worker(${JSON.stringify(thread)}, { eval: true });`, '');
    assert.deepEqual(outcome(run), well);
    assert.deepEqual(names(), ['of text']);
  });

  it('is not observed when it only moves the lines of pino', async () => {
    const run = await observed(
      `const pino = repository('pino');
       const log = pino(pino.transport({ target: 'pino/file', options: { destination: 1 } }));
       span('in main'); log.info('moved');`,
      '',
    );
    assert.deepEqual(outcome(run), well);
    assert.match(run.stdout, /moved/);
    assert.equal(instances().size, 1);
    assert.equal(arrivedAt(collector).records.length, 1);
  });

  it('delivers while neither it nor the main thread lets go of the processor', async () => {
    const mark = join(folder, 'delivered');
    collector.on('batch', () => {
      if (names().includes('busy')) writeFileSync(mark, '');
    });
    const wait = `const until = Date.now() + 20_000;
      while (!require('fs').existsSync(${JSON.stringify(mark)}) && Date.now() < until);`;
    // The transport thread is there before the main thread is busy.
    const { stdout } = await observed(
      `span('first');
       trace.getTracerProvider().getDelegate().forceFlush().then(() => {
         start(); ${wait} console.log(Date.now() < until);
       });`,
      `span('busy'); ${wait}`,
      { env: { OTEL_METRICS_EXPORTER: 'none' } },
    );
    assert.equal(stdout, 'true\n');
    assert.deepEqual(names(), ['busy', 'first']);
  });

  it('is gone before there is a transport thread, and what it made arrives', async () => {
    const { code } = await observed(
      `const done = new Int32Array(new SharedArrayBuffer(4));
       start({ workerData: done });
       Atomics.wait(done, 0, 0, 20_000);
       process.exit(Atomics.load(done, 0) + 4);`,
      "span('early'); Atomics.store(worker.workerData, 0, 1); Atomics.notify(worker.workerData, 0);",
    );
    assert.equal(code, 5);
    assert.deepEqual(names(), ['early']);
  });

  it('goes on when the transport thread dies, under a new identity', async () => {
    const flush = 'const flush = () => trace.getTracerProvider().getDelegate().forceFlush();';
    const { code } = await observed(
      `${flush} let transport;
       require('node:diagnostics_channel').subscribe('worker_threads', message => { transport ??= message.worker; });
       span('in main');
       const thread = start();
       thread.once('message', async () => {
         await flush();
         await transport.terminate();
         thread.postMessage('again');
       });`,
      `${flush} span('before');
       worker.parentPort.once('message', async () => { span('behind'); console.log(await flush()); });
       worker.parentPort.postMessage('made');`,
    );
    assert.equal(code, 0);
    assert.deepEqual(names(), ['before', 'behind', 'in main']);
    const identities = new Set(collector.calls.map(({ hello }) => hex(hello.instanceId)));
    assert.equal(identities.size, 4, 'two threads, each before and behind');
  });

  it('is covered by a flush of the main thread, metrics included', async () => {
    await observed(
      `const thread = start();
       thread.on('message', async () => {
         console.log(await metrics.getMeterProvider().forceFlush());
         process.kill(process.pid, 'SIGKILL');
       });`,
      `span('in thread'); metrics.getMeter('t').createCounter('counted').add(7);
       metrics.getMeter('t').createObservableGauge('observed').addCallback(result => result.observe(1));
       setInterval(() => {}, 1000); worker.parentPort.postMessage('made');`,
    );
    assert.deepEqual(names(), ['in thread']);
    assert.ok(instanceOf('in thread').metrics.has('observed'));
    const { data } = arrivedAt(collector).metrics.get('counted')!;
    assert.ok(data?.type === 'sum');
    assert.equal(data.points[0]!.value, 7);
  });

  it('has what it has measured delivered by a flush of its own', async () => {
    await observed(
      `start().on('message', () => process.kill(process.pid, 'SIGKILL')); setInterval(() => {}, 1000);`,
      `metrics.getMeter('t').createCounter('counted').add(7);
       metrics.getMeterProvider().forceFlush().then(all => {
         console.log(all); worker.parentPort.postMessage('flushed');
       });`,
    );
    const { data } = arrivedAt(collector).metrics.get('counted')!;
    assert.ok(data?.type === 'sum');
    assert.equal(data.points[0]!.value, 7);
  });

  it('loses nothing among seven others', async () => {
    const run = await observed(
      'for (let i = 0; i < 8; i++) start();',
      "for (let i = 0; i < 1000; i++) span('of eight');",
    );
    assert.deepEqual(outcome(run), well);
    assert.equal(names().length, 8000);
    assert.equal(instances().size, 9);
  });

  it('has an agent of its own when only it starts one', async () => {
    const index = pathToFileURL(join(root, 'src/index.ts')).href;
    const run = await observed(
      'start();',
      `import(${JSON.stringify(index)}).then(({ start }) => { start(); span('own'); });`,
      {
        flags: [],
      },
    );
    assert.deepEqual(outcome(run), well);
    assert.deepEqual(names(), ['own']);
  });
});
