// How the tracers of one provider choose what they record: rules, a sampler, and what is kept beside.
import { type Clock, processClock } from '../context/clock.ts';
import type { Pressure } from '../transport/otlp/record.ts';
import { Budget } from './budget.ts';
import { Keeping } from './keeping.ts';
import { type OtelSampler, PluggedSampler } from './plugged-sampler.ts';
import { Rules } from './rules.ts';
import { ConsistentSampler, createSampler, type Sampler, type SamplerName } from './sampler.ts';

export interface Sampling {
  readonly sampler: Sampler;
  /** What holds for local roots before the sampler is asked: spans without a parent in this process. Default: nothing. */
  readonly rules?: Rules | undefined;
  /** What is kept of the local roots that are not sampled. Default: nothing. */
  readonly keeping?: Keeping | undefined;
}

/** As the options of the agent have it. */
export interface SamplingSettings {
  readonly name: SamplerName;
  /** For the `traceidratio` samplers. */
  readonly ratio: number;
  /** Recorded spans a second. */
  readonly budget: number;
  /** Whether errors are kept; `auto`: with the dynamic sampler. */
  readonly errors: 'auto' | 'on' | 'off';
  /** From when on a local root is kept for being slow; 0: never. */
  readonly slowMs: number;
  readonly rules: Readonly<Record<string, number>>;
  /** A sampler in the place of the named one. */
  readonly plugged: OtelSampler | undefined;
  readonly pressure: Pressure;
  /** Told the first time that the plugged sampler throws. */
  readonly warn: (line: string) => void;
  /** Default: the clock of the process. */
  readonly clock?: Clock;
}

export function createSampling(settings: SamplingSettings): Sampling {
  const { name, ratio, errors, slowMs, rules, plugged, pressure, clock = processClock } = settings;
  const dynamic = plugged === undefined && name === 'parentbased_dynamic';
  const budget = dynamic ? new Budget(settings.budget, clock) : undefined;
  const samplerOf = (probability: number): Sampler =>
    new ConsistentSampler({ ratio: probability, parentBased: false, pressure, budget });
  const keepsErrors = errors === 'auto' ? dynamic : errors === 'on';
  const keeps = keepsErrors || slowMs > 0;
  return {
    sampler:
      plugged === undefined
        ? createSampler(name, ratio, pressure, budget)
        : new PluggedSampler(plugged, settings.warn),
    rules: Object.keys(rules).length > 0 ? new Rules(rules, samplerOf) : undefined,
    keeping: keeps
      ? new Keeping({ errors: keepsErrors, slowMs, budget: settings.budget, pressure, clock })
      : undefined,
  };
}
