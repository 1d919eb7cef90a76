// Scenario `profiles`: what it costs a service to be sampled for profiles of slow requests, of which there are none.
import { columns, measure } from './http.ts';
import { type Contestant, ratio, type Scenario } from './scenario.ts';
import type { ServiceOptions } from './service.ts';

const HEAT = 'profiles';
const express = { framework: 'express', agent: 'tricord', sampled: 0.05 } as const;
/** No request takes so long. */
const sampling = { TRICORD_PROFILES_SLOW: '60000' };

const contestants: Readonly<Record<string, ServiceOptions>> = {
  'without profiles': express,
  'every 10 ms': { ...express, env: sampling },
  'every ms': { ...express, env: { ...sampling, TRICORD_PROFILES_INTERVAL: '1' } },
};

export const scenario: Scenario = {
  name: HEAT,
  about:
    'The Express service of `http` under tricord, 5 % of its traces sampled: without profiles, and with the thread looked at every ' +
    '10 ms, which is the default, and every ms. All stand side by side and are asked in turns.',
  contestants: Object.entries(contestants).map(
    ([name, options]): Contestant => ({ name, heat: HEAT, measure: turn => measure(options, turn) }),
  ),
  columns,
  ratios: [
    ratio('cpu_every_10_ms_to_without', 'processMicros', ['every 10 ms', 'without profiles'], {
      atMost: 1.1,
    }),
    ratio('cpu_every_ms_to_without', 'processMicros', ['every ms', 'without profiles'], { atMost: 1.5 }),
  ],
};
