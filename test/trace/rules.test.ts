// Rules give local roots a probability of their own, by name, path, or method and path.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attributes } from '@opentelemetry/api';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { Rules } from '../../src/trace/rules.ts';
import { ConsistentSampler, createSampler } from '../../src/trace/sampler.ts';
import { TracerProvider } from '../../src/trace/tracer-provider.ts';
import { spansIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

const rulesOf = (probabilities: Record<string, number>): Rules =>
  new Rules(probabilities, ratio => new ConsistentSampler({ ratio, parentBased: false }));
const request = (method: string, path: string): Attributes => ({
  'http.request.method': method,
  'url.path': path,
});

describe('a pattern', () => {
  const fits = (pattern: string, name: string, attributes?: Attributes): boolean =>
    rulesOf({ [pattern]: 1 }).find(name, attributes) !== undefined;

  it('is held against the name, the path, and method and path', () => {
    assert.ok(fits('nightly import', 'nightly import'));
    assert.ok(fits('/health', 'GET', request('GET', '/health')));
    assert.ok(fits('GET /health', 'GET', request('GET', '/health')));
    assert.ok(!fits('GET /health', 'POST', request('POST', '/health')));
    assert.ok(!fits('/health', 'GET'));
    assert.ok(!fits('undefined *', 'GET'));
  });

  it('is held against all of it, and an asterisk is anything', () => {
    const cases: [string, string, boolean][] = [
      ['/checkout/*', '/checkout/', true],
      ['/checkout/*', '/checkout/7/pay', true],
      ['/checkout/*', '/checkout', false],
      ['/health', '/healthz', false],
      ['*', '', true],
      ['*.png', '/a.png', true],
      ['*.png', '/a.png.html', false],
      ['/a/*/c/*/e', '/a/b/c/d/e', true],
      ['/a/*/c/*/e', '/a/c/e', false],
      ['/a*a', '/a', false],
      ['/a*a', '/aa', true],
      ['/users/**', '/users/1', true],
      ['/(a|b)+', '/ab', false],
      ['/A', '/a', false],
    ];
    for (const [pattern, path, expected] of cases)
      assert.equal(fits(pattern, 'GET', request('GET', path)), expected, `${pattern} on ${path}`);
  });

  it('takes no longer for a path that is made to be slow', () => {
    const path = 'a'.repeat(16_000);
    const started = process.cpuUsage();
    for (let i = 0; i < 100; i++) assert.ok(!fits('*a*a*a*a*a*a*b', path));
    const { user } = process.cpuUsage(started);
    assert.ok(user < 1e6, `${user} µs`);
  });

  it('that comes first counts', () => {
    const rules = rulesOf({ '/checkout/test': 0, '/checkout/*': 1 });
    assert.equal(rules.find('GET', request('GET', '/checkout/test'))?.never, true);
    assert.equal(rules.find('GET', request('GET', '/checkout/7'))?.never, false);
  });
});

describe('a tracer with rules', () => {
  function setUp(
    probabilities: Record<string, number>,
    name: 'parentbased_always_on' | 'parentbased_always_off',
  ) {
    const sink = new MemorySink();
    const provider = new TracerProvider({
      sink,
      sampler: createSampler(name),
      rules: rulesOf(probabilities),
    });
    return { sink, provider, tracer: provider.getTracer('test') };
  }

  it('decides by them before its sampler, and what is below follows', () => {
    const { sink, provider, tracer } = setUp({ '/health': 0 }, 'parentbased_always_on');
    for (const path of ['/health', '/orders']) {
      tracer.startActiveSpan('GET', { attributes: request('GET', path) }, span => {
        tracer.startSpan(`below ${path}`, { attributes: request('GET', '/health') }).end();
        span.end();
      });
    }
    assert.deepEqual(
      spansIn(sink).map(({ name }) => name),
      ['below /orders', 'GET'],
    );
    assert.equal(provider.counters.unsampled, 2);
  });

  it('gives what a rule keeps the weight of the rule', () => {
    const { sink, tracer } = setUp({ 'job *': 0.25 }, 'parentbased_always_off');
    for (let i = 0; i < 4000; i++) tracer.startSpan('job import').end();
    tracer.startSpan('other').end();
    const spans = spansIn(sink);
    assert.ok(Math.abs(spans.length - 1000) < 5 * Math.sqrt(4000 * 0.25 * 0.75), `${spans.length} of 4000`);
    assert.ok(spans.every(({ traceState }) => traceState === 'ot=th:c'));
  });

  it('decides under a remote parent by the randomness of the trace, whatever the parent says', () => {
    const { sink, tracer } = setUp({ half: 0.5 }, 'parentbased_always_on');
    const start = (randomness: string, flags: number): void => {
      const parent = SpanIdentity.fromHex(
        `${'12'.repeat(9)}${randomness}`,
        'cd'.repeat(8),
        flags,
        undefined,
        true,
      );
      tracer.startSpan('half', undefined, ObservabilityContext.root.withIdentity(parent)).end();
    };
    start('80000000000000', 2);
    start('7fffffffffffff', 3);
    assert.deepEqual(
      spansIn(sink).map(({ traceState, flags }) => [traceState, flags & 1]),
      [['ot=th:8', 1]],
    );
  });

  it('has no use for attributes that cannot be read, nor for a name that is none', () => {
    const { sink, tracer } = setUp({ '/health': 0 }, 'parentbased_always_on');
    tracer
      .startSpan('a', {
        get attributes(): Attributes {
          throw new Error('no');
        },
      })
      .end();
    tracer.startSpan(7 as never).end();
    assert.equal(spansIn(sink).length, 2);
  });
});
