// Scenario `histogram`: what recording a duration costs.
import { metricColumns, metricContestant, promClientContestant } from './metric-contest.ts';
import { ratio, type Scenario } from './scenario.ts';

export const scenario: Scenario = {
  name: 'histogram',
  about:
    '`histogram.record(ms, …)` over the default boundaries with two attributes in an object of its own per call, 16 series, under a sampled span, exemplars ' +
    'on; delivered every second and at the end. prom-client: the same labels, read as a scrape would.',
  contestants: [
    metricContestant('none', 'histogram'),
    metricContestant('tricord', 'histogram'),
    metricContestant('opentelemetry', 'histogram'),
    promClientContestant('histogram'),
  ],
  columns: metricColumns,
  ratios: [
    ratio('main_cpu_to_opentelemetry', 'mainNs', ['tricord', 'opentelemetry'], { atMost: 1 / 8 }),
    ratio('main_cpu_to_prom_client', 'mainNs', ['tricord', 'prom-client'], { atMost: 1 }),
  ],
};
