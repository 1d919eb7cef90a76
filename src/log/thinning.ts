// Leaves out log records below WARN while there is less room than for all of them, or more than a budget allows.
import type { Clock } from '../context/clock.ts';
import type { SpanIdentity } from '../context/identity.ts';
import { randomnessOf, randomWord56, Threshold } from '../context/threshold.ts';
import type { LineKeys } from '../transport/otlp/line/line-frame.ts';
import { type AttributeList, type Pressure, Signal } from '../transport/otlp/record.ts';
import { Severity, severityOfLevel, severityOfName } from '../transport/otlp/severity.ts';
import type { Budget } from './budget.ts';

/** The attribute of a record that was kept where others were not, as the collectors' probabilistic samplers write it. */
export const THRESHOLD_KEY = 'sampling.threshold';

/** Beginnings of lines that are remembered; a logger has one for each of its levels. */
const HEADS_MAX = 64;

/**
 * INFO gets the share that there is room for, what is below it that share of the share. What is WARN or above, or does not say
 * what it is, is never left out. Of a trace the records of one severity are all kept or all left out.
 */
export class Thinning {
  readonly #pressure: Pressure;
  #share = 1;
  #info: Threshold = Threshold.none;
  #debug: Threshold = Threshold.none;
  readonly #severities = new Map<string, number>();

  constructor(pressure: Pressure) {
    this.#pressure = pressure;
  }

  /** Whether there is less room than for all. */
  isOn(): boolean {
    return this.#pressure.room() < 1;
  }

  isVital(severity: number): boolean {
    return severity >= Severity.warn;
  }

  /** The threshold that a record has passed; undefined when it is to be left out, which is then counted. */
  pass(severity: number, identity: SpanIdentity | undefined): Threshold | undefined {
    const threshold = this.#thresholdOf(severity);
    if (threshold === Threshold.none) return threshold;
    if (threshold.keepsRandomness(identity === undefined ? randomWord56() : randomnessOf(identity)))
      return threshold;
    this.#pressure.leaveOut(Signal.logs);
    return undefined;
  }

  #thresholdOf(severity: number): Threshold {
    if (severity === Severity.unspecified || this.isVital(severity)) return Threshold.none;
    const share = this.share(severity);
    if (share === 1) return Threshold.none;
    if (share !== this.#share) {
      this.#share = share;
      this.#info = Threshold.of(share);
      this.#debug = Threshold.of(share * share);
    }
    return severity >= Severity.info ? this.#info : this.#debug;
  }

  /** The share of INFO that is kept; asked once for every record below WARN. */
  protected share(_severity: number): number {
    return this.#pressure.room();
  }

  /**
   * The severity of lines that begin like this: `{"level":30` or `{"level":"info"`; 0 for what cannot be told.
   * @param levels names of levels by their numbers, where they are not pino's
   */
  severityOfHead(head: string, levels: LineKeys['levels']): number {
    if (levels !== undefined) return readSeverity(head, levels);
    let severity = this.#severities.get(head);
    if (severity === undefined) {
      severity = readSeverity(head, {});
      if (this.#severities.size >= HEADS_MAX) this.#severities.clear();
      this.#severities.set(head, severity);
    }
    return severity;
  }
}

/** The same with a budget, for whose sake it is always on. */
export class BudgetedThinning extends Thinning {
  readonly #budget: Budget;
  readonly #clock: Clock;

  constructor(pressure: Pressure, budget: Budget, clock: Clock) {
    super(pressure);
    this.#budget = budget;
    this.#clock = clock;
  }

  override isOn(): boolean {
    return true;
  }

  protected override share(severity: number): number {
    return Math.min(super.share(severity), this.#budget.share(severity, this.#clock.elapsed()));
  }
}

function readSeverity(head: string, levels: NonNullable<LineKeys['levels']>): number {
  try {
    const [level] = Object.values(JSON.parse(`${head}}`) as object) as unknown[];
    if (typeof level !== 'number') return severityOfName(String(level));
    return severityOfName(levels[level] ?? '') || severityOfLevel(level);
  } catch {
    return Severity.unspecified;
  }
}

/** The labels with the threshold that a record has passed. */
export function withThresholdLabel(
  { keys, values, count }: AttributeList,
  { text }: Threshold,
): AttributeList {
  return {
    keys: [...keys.slice(0, count), THRESHOLD_KEY],
    values: [...values.slice(0, count), text],
    count: count + 1,
  };
}
