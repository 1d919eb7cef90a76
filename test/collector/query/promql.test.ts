// PromQL: what expressions evaluate to, and which error names what.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { evaluate } from '../../../collector/query/promql/engine.ts';
import { checkValues, queryLimits } from '../../../collector/query/promql/limits.ts';
import { parsePromQL } from '../../../collector/query/promql/parse.ts';
import type { Steps } from '../../../collector/query/promql/vector.ts';
import type { MetricStore } from '../../../collector/store/store.ts';
import { fixedMetrics } from './fixed-metrics.ts';

const MINUTE = 60_000;

const store = fixedMetrics(MINUTE, {
  'requests_total{job="shop",path="/a"}': '0+60x10',
  'requests_total{job="shop",path="/b"}': '0+30x10',
  'requests_total{job="stock",path="/a"}': '0 60 120 30 90 150 210 270 330 390 450',
  'up{job="shop"}': '1x0 1+0x9',
  'up{job="stock"}': '1+0x10',
  'limit{job="shop"}': '100+0x10',
  'latency_bucket{le="0.1"}': '0+10x10',
  'latency_bucket{le="0.5"}': '0+30x10',
  'latency_bucket{le="1"}': '0+40x10',
  'latency_bucket{le="+Inf"}': '0+40x10',
  'temperature{room="a"}': '20 21 22 23 24 25 26 27 28 29 30',
  'temperature{room="b"}': '30 28 26 _ _ _ _ _ _ _ _',
});

type Rows = Record<string, number | (number | undefined)[]>;

/** The result as `{labels}` → value at an instant (minutes), or → values over steps. */
async function ask(query: string, at = 10, steps?: Steps, from: MetricStore = store): Promise<Rows> {
  const instants = steps ?? { start: at * MINUTE, step: 0, count: 1 };
  const { value } = await evaluate(parsePromQL(query), instants, from);
  if (value.kind === 'string') throw new Error('a string');
  const values = (of: { values: Float64Array; present?: Uint8Array }): number | (number | undefined)[] => {
    const all = Array.from(of.values, (number, i) =>
      of.present === undefined || of.present[i] === 1 ? number : undefined,
    );
    return steps === undefined ? all[0]! : all;
  };
  if (value.kind === 'scalar') return { scalar: values(value) };
  const rows = value.series
    .filter(one => one.present.includes(1))
    .map(one => [label(one.labels), values(one)] as const);
  return Object.fromEntries(rows);
}

function label(labels: ReadonlyMap<string, string>): string {
  const rest = [...labels].filter(([name]) => name !== '__name__').sort();
  return `${labels.get('__name__') ?? ''}{${rest.map(([name, value]) => `${name}=${value}`).join(',')}}`;
}

async function refuses(query: string, message: RegExp): Promise<void> {
  await assert.rejects(ask(query), (error: Error) => {
    assert.match(error.message, message);
    return error.name === 'QueryError' || error.name === 'LimitError';
  });
}

describe('a selector', () => {
  it('gives the latest sample within five minutes, at an offset, at a fixed time', async () => {
    assert.deepEqual(await ask('up{job="shop"}'), { 'up{job=shop}': 1 });
    assert.deepEqual(await ask('temperature{room="b"}', 6.999), { 'temperature{room=b}': 26 });
    assert.deepEqual(await ask('temperature{room="b"}', 7), {});
    assert.deepEqual(await ask('temperature{room="a"} offset 3m'), { 'temperature{room=a}': 27 });
    assert.deepEqual(await ask('temperature{room="a"} @ 120'), { 'temperature{room=a}': 22 });
    assert.deepEqual(await ask('temperature{room="a"} @ start()'), { 'temperature{room=a}': 30 });
  });

  it('matches by every operator', async () => {
    assert.deepEqual(Object.keys(await ask('up{job!="shop"}')), ['up{job=stock}']);
    assert.deepEqual(Object.keys(await ask('up{job=~"s.*k"}')), ['up{job=stock}']);
    assert.deepEqual(Object.keys(await ask('up{job!~"s.*k"}')), ['up{job=shop}']);
    assert.deepEqual(Object.keys(await ask('{__name__="up",job="shop"}')), ['up{job=shop}']);
  });

  it('is evaluated at every step', async () => {
    const steps = { start: 0, step: 5 * MINUTE, count: 3 };
    assert.deepEqual(await ask('temperature', 0, steps), {
      'temperature{room=a}': [20, 25, 30],
      'temperature{room=b}': [30, 26, undefined],
    });
  });
});

describe('range functions', () => {
  it('rate and increase extrapolate to the window and survive counter resets', async () => {
    assert.deepEqual(await ask('rate(requests_total{job="shop"}[5m])'), {
      '{job=shop,path=/a}': 1,
      '{job=shop,path=/b}': 0.5,
    });
    assert.deepEqual(await ask('increase(requests_total{path="/b"}[5m])'), { '{job=shop,path=/b}': 150 });
    assert.deepEqual(await ask('increase(requests_total{job="stock"}[5m])', 5), {
      '{job=stock,path=/a}': (210 * 300) / 240,
    });
    assert.deepEqual(await ask('resets(requests_total{job="stock"}[10m])'), { '{job=stock,path=/a}': 1 });
    assert.deepEqual(await ask('irate(requests_total{job="stock"}[10m])'), { '{job=stock,path=/a}': 1 });
  });

  it('extrapolate by half a distance where samples are missing, and a counter never below zero', async () => {
    assert.deepEqual(await ask('increase(requests_total{path="/a",job="shop"}[5m])', 12.5), {
      '{job=shop,path=/a}': 180,
    });
    assert.deepEqual(await ask('increase(requests_total{path="/b"}[5m])', 2), { '{job=shop,path=/b}': 60 });
    assert.deepEqual(await ask('delta(requests_total{path="/b"}[5m])', 2), { '{job=shop,path=/b}': 75 });
  });

  it('fold the samples of the window, left end excluded', async () => {
    const over = (name: string): Promise<Rows> => ask(`${name}(temperature{room="a"}[4m])`);
    assert.deepEqual(await over('sum_over_time'), { '{room=a}': 27 + 28 + 29 + 30 });
    assert.deepEqual(await over('avg_over_time'), { '{room=a}': 28.5 });
    assert.deepEqual(await over('min_over_time'), { '{room=a}': 27 });
    assert.deepEqual(await over('max_over_time'), { '{room=a}': 30 });
    assert.deepEqual(await over('count_over_time'), { '{room=a}': 4 });
    assert.deepEqual(await over('last_over_time'), { 'temperature{room=a}': 30 });
    assert.deepEqual(await over('stdvar_over_time'), { '{room=a}': 1.25 });
    assert.deepEqual(await ask('quantile_over_time(0.5, temperature{room="a"}[4m])'), { '{room=a}': 28.5 });
    assert.deepEqual(await ask('deriv(temperature{room="a"}[4m]) * 60'), { '{room=a}': 1 });
    assert.deepEqual(await ask('predict_linear(temperature{room="a"}[4m], 120)'), { '{room=a}': 32 });
  });

  it('take subqueries', async () => {
    assert.deepEqual(await ask('max_over_time(rate(requests_total{path="/b"}[2m])[4m:1m])'), {
      '{job=shop,path=/b}': 0.5,
    });
  });
});

describe('operators', () => {
  it('match vectors one to one and many to one', async () => {
    assert.deepEqual(await ask('up{job="shop"} * limit'), { '{job=shop}': 100 });
    assert.deepEqual(await ask('requests_total / on(job) group_left limit'), {
      '{job=shop,path=/a}': 6,
      '{job=shop,path=/b}': 3,
    });
    await refuses('requests_total / on(job) limit', /many-to-one matching must be explicit/);
  });

  it('compare as filters, and as 0 or 1 with bool', async () => {
    assert.deepEqual(await ask('requests_total > 400'), {
      'requests_total{job=shop,path=/a}': 600,
      'requests_total{job=stock,path=/a}': 450,
    });
    assert.deepEqual(await ask('limit > bool 400'), { '{job=shop}': 0 });
    assert.deepEqual(await ask('10 < limit'), { 'limit{job=shop}': 100 });
    await refuses('1 < 2', /BOOL/);
  });

  it('follow the precedence of PromQL', async () => {
    assert.deepEqual(await ask('-2 ^ 2 + 10 % 4 * 3'), { scalar: 2 });
    assert.deepEqual(await ask('2 ^ 3 ^ 2'), { scalar: 512 });
  });

  it('combine sets', async () => {
    assert.deepEqual(Object.keys(await ask('up and on(job) limit')), ['up{job=shop}']);
    assert.deepEqual(Object.keys(await ask('up unless on(job) limit')), ['up{job=stock}']);
    assert.deepEqual(Object.keys(await ask('limit or up')), ['limit{job=shop}', 'up{job=stock}']);
  });
});

describe('aggregations', () => {
  it('group by and without labels', async () => {
    assert.deepEqual(await ask('sum by (job) (requests_total)'), { '{job=shop}': 900, '{job=stock}': 450 });
    assert.deepEqual(await ask('sum without (job, path) (requests_total)'), { '{}': 1350 });
    assert.deepEqual(await ask('count(requests_total)'), { '{}': 3 });
    assert.deepEqual(await ask('avg by (path) (requests_total)'), { '{path=/a}': 525, '{path=/b}': 300 });
    assert.deepEqual(await ask('min(requests_total)'), { '{}': 300 });
    assert.deepEqual(await ask('max(requests_total)'), { '{}': 600 });
    assert.deepEqual(await ask('quantile(0.5, requests_total)'), { '{}': 450 });
  });

  it('rank series under their own labels', async () => {
    assert.deepEqual(await ask('topk(1, requests_total)'), { 'requests_total{job=shop,path=/a}': 600 });
    assert.deepEqual(await ask('bottomk(1, requests_total)'), { 'requests_total{job=shop,path=/b}': 300 });
    assert.deepEqual(await ask('count_values("value", up)'), { '{value=1}': 2 });
  });
});

describe('vector functions', () => {
  it('histogram_quantile interpolates within the bucket', async () => {
    const quantile = (phi: string): Promise<Rows> =>
      ask(`histogram_quantile(${phi}, rate(latency_bucket[5m]))`);
    assert.deepEqual(await quantile('0.5'), { '{}': 0.3 });
    assert.deepEqual(await quantile('0.25'), { '{}': 0.1 });
    assert.deepEqual(await quantile('1'), { '{}': 1 });
    assert.deepEqual(await quantile('2'), { '{}': Number.POSITIVE_INFINITY });
  });

  it('relabel, clamp and round', async () => {
    assert.deepEqual(await ask('label_replace(limit, "team", "$1-team", "job", "(.*)p")'), {
      'limit{job=shop,team=sho-team}': 100,
    });
    assert.deepEqual(await ask('label_join(limit, "both", "/", "job", "job")'), {
      'limit{both=shop/shop,job=shop}': 100,
    });
    assert.deepEqual(await ask('clamp_max(limit, 7)'), { '{job=shop}': 7 });
    assert.deepEqual(await ask('round(limit / 7, 0.5)'), { '{job=shop}': 14.5 });
    assert.deepEqual(await ask('absent(nothing)'), { '{}': 1 });
    assert.deepEqual(await ask('scalar(limit) + time()'), { scalar: 700 });
    assert.deepEqual(await ask('vector(1) + vector(1)'), { '{}': 2 });
  });
});

describe('a wrong query', () => {
  it('gets an error that names the place or the thing', async () => {
    await refuses('sum(rate(x[5m])', /1:16: parse error: unexpected end of input/);
    await refuses('{}', /at least one non-empty matcher/);
    await refuses('rate(up)', /range vector/);
    await refuses('up[5m]', /cannot stand alone/);
    await refuses(
      'double_exponential_smoothing(up[5m], 0.1, 0.1)',
      /double_exponential_smoothing is not supported/,
    );
    await refuses('sum("a")', /takes an instant vector/);
    await refuses(`${'('.repeat(200)}1${')'.repeat(200)}`, /deeper than 100/);
    await refuses('label_replace(up, "a", "b", "job", "(")', /invalid regular expression/);
  });

  it('is refused beyond the limit of steps, and answered at it', async () => {
    const at = (count: number): Promise<Rows> => ask('1', 0, { start: 0, step: 1, count });
    assert.equal(((await at(queryLimits.steps_max)).scalar as number[]).length, queryLimits.steps_max);
    await assert.rejects(at(queryLimits.steps_max + 1), /more than the limit of 11000/);
  });

  it('is refused beyond the limit of values, and answered at it', () => {
    checkValues(queryLimits.values_max / 1000, 1000);
    assert.throws(() => checkValues(queryLimits.values_max / 1000 + 1, 1000), /limit of 20000000 values/);
  });

  it('is refused when an intermediate result would be too large', async () => {
    const steps: Steps = { start: 0, step: 1, count: queryLimits.steps_max };
    const one = { times: Float64Array.of(0), values: Float64Array.of(1) };
    const many = Array.from({ length: 2000 }, (_, i) => ({ ...one, labels: new Map([['id', `${i}`]]) }));
    const source: MetricStore = { ...store, select: async () => many };
    await assert.rejects(ask('sum(x)', 0, steps, source), /1819 series or more at 11000 steps/);
  });

  it('lets others have their turn, and ends when it is told to', async () => {
    const count = queryLimits.steps_max;
    const times = Float64Array.from({ length: 200_000 }, (_, i) => i);
    const labels = new Map([['__name__', 'x']]);
    const source: MetricStore = { ...store, select: async () => [{ labels, times, values: times }] };
    const controller = new AbortController();
    const steps: Steps = { start: 200_000, step: 1, count };
    const result = evaluate(parsePromQL('sum_over_time(x[1h])'), steps, source, controller.signal);
    setImmediate(() => controller.abort());
    await assert.rejects(result, { name: 'AbortError' });
  });
});
