// Scenario `span-unsampled`: what a span costs that the sampler does not keep.
import { ratio, type Scenario } from './scenario.ts';
import { spanColumns, spanContestant } from './span-contest.ts';

const pair = ['tricord', 'opentelemetry'] as const;

export const scenario: Scenario = {
  name: 'span-unsampled',
  about:
    'The same span, not sampled (`parentbased_always_off`): the application calls the API all the same, and nothing may ' +
    'arrive.',
  contestants: [
    spanContestant('none', 'always_off'),
    spanContestant('tricord', 'always_off'),
    spanContestant('opentelemetry', 'always_off'),
  ],
  columns: spanColumns,
  ratios: [ratio('main_cpu_to_opentelemetry', 'mainNs', pair, { atMost: 1 / 6 })],
};
