// Scenario `span`: what a recorded and delivered span costs.
import { ratio, type Scenario } from './scenario.ts';
import { spanColumns, spanContestant } from './span-contest.ts';

const pair = ['tricord', 'opentelemetry'] as const;

export const scenario: Scenario = {
  name: 'span',
  about:
    'One span with nine attributes and one event, recorded, exported and durable in the collector. OpenTelemetry: NodeSDK, ' +
    'BatchSpanProcessor with its defaults, OTLP/gRPC. Bursts of 2,048 spans, each delivered before the next one, in turns of eight bursts.',
  contestants: [
    spanContestant('none', 'always_on'),
    spanContestant('tricord', 'always_on'),
    spanContestant('opentelemetry', 'always_on'),
  ],
  columns: spanColumns,
  ratios: [
    ratio('main_cpu_to_opentelemetry', 'mainNs', pair, { atMost: 1 / 10 }),
    ratio('process_cpu_to_opentelemetry', 'processNs', pair, { atMost: 1 / 6 }),
    ratio('heap_to_opentelemetry', 'heapBytes', pair, { atMost: 1 / 8 }),
  ],
};
