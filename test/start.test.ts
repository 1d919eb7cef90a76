// What `start()` is told about sampling reaches the collector.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { AlwaysOffSampler, ParentBasedSampler } from '@opentelemetry/sdk-trace';
import type { DecodedSpan } from 'tricord/otlp';
import { type StartOptions, start } from '../src/index.ts';
import { attributesOf } from './decoded-records.ts';
import { arrivedAt } from './register/arrived.ts';
import { TestCollector } from './transport/test-collector.ts';

const SPANS = 500;

let collector: TestCollector;
before(async () => {
  collector = await TestCollector.start();
});
after(() => collector.stop());
beforeEach(() => {
  collector.taken.length = 0;
});

/** What arrives of first spans with the name, each of which ends in an error if it is told to. */
async function arriving(
  options: StartOptions,
  name: string,
  failing = false,
): Promise<readonly DecodedSpan[]> {
  const agent = start({
    endpoint: collector.url,
    metricsExporter: 'none',
    flushTimeout: 20_000,
    ...options,
  })!;
  const tracer = trace.getTracer('test');
  for (let i = 0; i < SPANS; i++) {
    const span = tracer.startSpan(name);
    if (failing) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  }
  assert.equal(await agent.flush(), true);
  await agent.shutdown();
  return arrivedAt(collector).spans;
}

describe('start()', () => {
  it('samples within the budget unless it is told otherwise, and keeps errors beside', async () => {
    const spans = await arriving({ tracesBudget: 10 }, 'first', true);
    const kept = spans.filter(span => attributesOf(span)['tricord.sampling.kept'] === 'error');
    const sampled = spans.filter(({ traceState }) => traceState.startsWith('ot=th:'));
    assert.ok(sampled.length >= 20 && sampled.length < SPANS, `${sampled.length} sampled`);
    assert.ok(kept.length >= 1 && kept.length < SPANS - sampled.length, `${kept.length} kept`);
    assert.equal(sampled.length + kept.length, spans.length);
  });

  it('takes rules, and whether errors are kept', async () => {
    const tracesSampler = 'parentbased_always_off';
    assert.equal((await arriving({ tracesSampler, tracesRules: { 'f*t': 1 } }, 'first')).length, SPANS);
    collector.taken.length = 0;
    assert.equal((await arriving({ tracesSampler }, 'first', true)).length, 0);
    assert.equal((await arriving({ tracesSampler, tracesErrors: 'on' }, 'first', true)).length, SPANS);
  });

  it('takes a sampler of the OpenTelemetry SDK', async () => {
    const sampler = new ParentBasedSampler({ root: new AlwaysOffSampler() });
    assert.equal((await arriving({ sampler }, 'first', true)).length, 0);
    assert.equal((await arriving({ sampler, tracesRules: { first: 1 } }, 'first')).length, SPANS);
  });

  it('refuses what is no sampler', () => {
    for (const sampler of [null, {}, () => true])
      assert.throws(() => start({ sampler: sampler as never }), {
        code: 'TRICORD_OPTION',
        message: /"sampler" takes an object with the method "shouldSample"/,
      });
  });

  it('refuses what is no list of views', () => {
    for (const views of [null, '', {}, 7])
      assert.throws(() => start({ views: views as never }), {
        code: 'TRICORD_OPTION',
        message: /views takes a list of views/,
      });
  });
});
