// Every scenario by name. A new one is a file and a line here.
import type { FaultScenario } from './scenario.ts';

export const scenarios: Readonly<Record<string, () => Promise<{ readonly scenario: FaultScenario }>>> = {
  down: () => import('./down.ts'),
  network: () => import('./network.ts'),
  storage: () => import('./storage.ts'),
  input: () => import('./input.ts'),
  settings: () => import('./settings.ts'),
};
