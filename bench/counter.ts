// Scenario `counter`: what counting costs.
import { metricColumns, metricContestant, promClientContestant } from './metric-contest.ts';
import { ratio, type Scenario } from './scenario.ts';

export const scenario: Scenario = {
  name: 'counter',
  about:
    '`counter.add(1, …)` with two attributes in an object of its own per call, 16 series, under a sampled span, exemplars ' +
    'on; delivered every second and at the end. prom-client: the same labels, read as a scrape would.',
  contestants: [
    metricContestant('none', 'counter'),
    metricContestant('tricord', 'counter'),
    metricContestant('opentelemetry', 'counter'),
    promClientContestant('counter'),
  ],
  columns: metricColumns,
  ratios: [
    ratio('main_cpu_to_opentelemetry', 'mainNs', ['tricord', 'opentelemetry'], { atMost: 1 / 8 }),
    ratio('main_cpu_to_prom_client', 'mainNs', ['tricord', 'prom-client'], { atMost: 1 }),
  ],
};
