// Every scenario by name, in the order of the page. A new one is a file and a line here.
import type { Scenario } from './scenario.ts';

export const scenarios: Readonly<Record<string, () => Promise<{ readonly scenario: Scenario }>>> = {
  span: () => import('./span.ts'),
  'span-unsampled': () => import('./span-unsampled.ts'),
  counter: () => import('./counter.ts'),
  histogram: () => import('./histogram.ts'),
  log: () => import('./log.ts'),
  http: () => import('./http.ts'),
  profiles: () => import('./profiles.ts'),
  startup: () => import('./startup.ts'),
  memory: () => import('./memory.ts'),
  ring: () => import('./ring.ts'),
  stream: () => import('./stream.ts'),
  'event-loop': () => import('./event-loop.ts'),
  wal: () => import('./wal.ts'),
};
