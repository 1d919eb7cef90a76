// Counts that are estimated from what arrives are right for each route, through an overload and with errors kept beside.
import './seeded-randomness.ts';
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SpanStatusCode } from '@opentelemetry/api';
import { Clock } from '../../src/context/clock.ts';
import { Threshold } from '../../src/context/threshold.ts';
import { createSampling } from '../../src/trace/sampling.ts';
import { TracerProvider } from '../../src/trace/tracer-provider.ts';
import { seededRandom } from '../collector/queue/memory-disk.ts';
import { attributesOf, spansIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

interface Route {
  readonly path: string;
  /** Where its part of all requests ends. */
  readonly upTo: number;
  readonly failing: number;
}

const BUDGET = 500;
const routes: readonly Route[] = [
  { path: '/orders', upTo: 0.5, failing: 0 },
  { path: '/search', upTo: 0.8, failing: 0 },
  { path: '/pay', upTo: 0.9, failing: 0.08 },
  { path: '/report', upTo: 0.95, failing: 0 },
  { path: '/health', upTo: 1, failing: 0.5 },
];

class Counts {
  readonly made = new Map<string, number>();
  /** By the weights of what was sampled. */
  readonly estimated = new Map<string, number>();
  /** Spans that were kept for their errors. */
  readonly kept = new Map<string, number>();
  /** Of `/pay`. */
  failed = 0;
  failedArrived = 0;

  add(to: Map<string, number>, path: string, count: number): void {
    to.set(path, (to.get(path) ?? 0) + count);
  }

  take(sink: MemorySink): void {
    for (const span of spansIn(sink)) {
      const path = String(attributesOf(span)['url.path']);
      if (path === '/pay' && span.statusCode === SpanStatusCode.ERROR) this.failedArrived++;
      const weight = /ot=th:([0-9a-f]+)/.exec(span.traceState)?.[1];
      if (weight === undefined) this.add(this.kept, path, 1);
      else this.add(this.estimated, path, 1 / Threshold.parse(weight)!.ratio);
    }
    sink.frames.length = 0;
  }

  off(path: string): number {
    return Math.abs(this.estimated.get(path)! / this.made.get(path)! - 1);
  }
}

function simulate(): { counts: Counts; provider: TracerProvider } {
  let ms = 0;
  const clock = new Clock({ monotonic: () => ms, wall: () => 1_700_000_000_000 + ms });
  const sink = new MemorySink(clock.anchorUnixNanos);
  const sampling = createSampling({
    name: 'parentbased_dynamic',
    ratio: 1,
    budget: BUDGET,
    errors: 'auto',
    slowMs: 0,
    rules: { '/report': 1, 'GET /health': 0 },
    plugged: undefined,
    pressure: sink,
    warn: line => assert.fail(line),
    clock,
  });
  const provider = new TracerProvider({ sink, clock, ...sampling });
  const tracer = provider.getTracer('test');
  const random = seededRandom(3);
  const counts = new Counts();

  const ask = ({ path, failing }: Route): void => {
    counts.add(counts.made, path, 1);
    const span = tracer.startSpan('GET', { attributes: { 'http.request.method': 'GET', 'url.path': path } });
    if (random() < failing) {
      if (path === '/pay') counts.failed++;
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  };
  const choose = (): Route => {
    const at = random();
    return routes.find(({ upTo }) => at < upTo)!;
  };

  for (let second = 0; second < 480; second++) {
    const slope = Math.min(Math.max(Math.min(second - 60, 420 - second), 0), 120) / 120;
    const perSecond = BUDGET * (0.5 + 9.5 * slope);
    for (let i = 0; i < perSecond; i++) {
      ms += 1000 / perSecond;
      ask(choose());
    }
    counts.take(sink);
  }
  return { counts, provider };
}

it('counts by weight stay within 2 % of the truth through a tenfold overload, and kept errors do not count', () => {
  const { counts, provider } = simulate();
  const total = (of: Map<string, number>): number => of.values().reduce((sum, count) => sum + count, 0);
  const known = total(counts.made) - counts.made.get('/health')!;
  assert.ok(Math.abs(total(counts.estimated) / known - 1) < 0.02, `${total(counts.estimated)} of ${known}`);
  for (const path of ['/orders', '/search', '/pay'])
    assert.ok(counts.off(path) < 0.02, `${path}: ${counts.estimated.get(path)} of ${counts.made.get(path)}`);
  assert.equal(counts.estimated.get('/report'), counts.made.get('/report'), 'a rule of 1 keeps every one');

  const kept = counts.kept.get('/pay')!;
  assert.deepEqual([...counts.kept.keys()], ['/pay'], 'nothing of what a rule leaves out');
  assert.ok(kept > 0.04 * counts.made.get('/pay')!, `with a weight ${kept} would show`);
  assert.deepEqual([provider.counters.kept, provider.counters.unkept], [kept, 0]);
  assert.equal(counts.failedArrived, counts.failed, 'each error is there, once');
});
