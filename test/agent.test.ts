// The agent in code: what a flush and a shutdown promise, of the agent and through OpenTelemetry's global providers.
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Logger, logs, type Meter, metrics, type Tracer, trace } from '@opentelemetry/api';
import { type Options, start, type Tricord } from '../src/index.ts';
import { arrivedAt } from './register/arrived.ts';
import { TestCollector } from './transport/test-collector.ts';

interface Started {
  readonly collector: TestCollector;
  readonly agent: Tricord;
}

/** Sends nothing by itself within a test. */
async function started(t: TestContext, options: Partial<Options> = {}): Promise<Started> {
  const collector = await TestCollector.start();
  const long = {
    tracesLinger: 60_000,
    logsLinger: 60_000,
    metricExportInterval: 60_000,
    flushTimeout: 20_000,
  };
  const agent = start({ endpoint: collector.url, serviceName: 'test', ...long, ...options })!;
  t.after(async () => {
    await agent.shutdown();
    collector.stop();
  });
  return { collector, agent };
}

interface Kept {
  readonly tracer: Tracer;
  readonly logger: Logger;
  readonly meter: Meter;
}

const kept = (): Kept => ({
  tracer: trace.getTracer('kept'),
  logger: logs.getLogger('kept'),
  meter: metrics.getMeter('kept'),
});

function work({ tracer, logger, meter }: Kept = kept()): void {
  tracer.startSpan('span').end();
  logger.emit({ body: 'record' });
  meter.createCounter('counted').add(1);
}

/** How many spans, records and points of the counter the collector has. */
function arrived(collector: TestCollector): readonly [spans: number, records: number, counted: boolean] {
  const { spans, records, metrics } = arrivedAt(collector);
  return [spans.length, records.length, metrics.has('counted')];
}

interface Flushing {
  forceFlush(): Promise<unknown>;
}
const delegate = (proxy: object): Flushing =>
  'getDelegate' in proxy ? (proxy as { getDelegate(): Flushing }).getDelegate() : (proxy as Flushing);

describe('a flush', () => {
  const flushes: Record<string, (agent: Tricord) => Promise<unknown>> = {
    'of the agent': agent => agent.flush(),
    'of the global TracerProvider': () => delegate(trace.getTracerProvider()).forceFlush(),
    'of the global MeterProvider': () => delegate(metrics.getMeterProvider()).forceFlush(),
    'of the global LoggerProvider': () => delegate(logs.getLoggerProvider()).forceFlush(),
  };
  for (const [whose, flush] of Object.entries(flushes)) {
    it(`${whose} delivers all three signals`, async t => {
      const { agent, collector } = await started(t);
      work();
      assert.equal(await flush(agent), true);
      assert.deepEqual(arrived(collector), [1, 1, true]);
    });
  }

  it('tells when it could not deliver, and what is left is delivered by the next one', async t => {
    const { agent, collector } = await started(t);
    work();
    assert.equal(await agent.flush(), true);
    const { port } = collector;
    collector.stop();
    work();
    assert.equal(await agent.flush(), false);
    const back = await TestCollector.start({ port });
    t.after(() => back.stop());
    assert.equal(await agent.flush(), true);
    assert.deepEqual(arrived(back), [1, 1, true]);
  });
});

describe('a shutdown', () => {
  it('delivers what there was, and makes of all that follows no-ops that are counted', async t => {
    const { agent, collector } = await started(t);
    const before = kept();
    const open = before.tracer.startSpan('never sent');
    work(before);
    await agent.shutdown();
    assert.deepEqual(arrived(collector), [1, 1, true]);

    work(before);
    open.end();
    work();
    assert.equal(await agent.flush(), true);
    assert.deepEqual(arrived(collector), [1, 1, true]);
    const { traces, logs: records } = agent.stats().signals;
    assert.deepEqual([traces.dropped.closed, records.dropped.closed], [2, 1]);
    assert.deepEqual([traces.accepted, records.accepted], [1, 1]);
  });

  it('is joined by a second one, which is not over before it', async t => {
    const { agent, collector } = await started(t);
    work();
    const first = agent.shutdown();
    assert.equal(agent.shutdown(), first);
    await first;
    assert.deepEqual(arrived(collector), [1, 1, true]);
  });

  it('leaves room for another agent', async t => {
    const first = await started(t);
    await first.agent.shutdown();
    const second = await started(t);
    assert.notEqual(second.agent, first.agent);
    work();
    assert.equal(await second.agent.flush(), true);
    assert.deepEqual([arrived(first.collector)[0], arrived(second.collector)], [0, [1, 1, true]]);
  });
});
