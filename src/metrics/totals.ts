// What a stream of deltas adds up to since it began, for a page that is read beside their export.
import type { MeasuredMetric } from './aggregation.ts';

/**
 * The deltas' slots are added as those of another thread would be: what they have more than they had the last time. So it is
 * enough to add them when somebody reads, and before they are forgotten.
 */
export class Totals {
  /** Cumulative. */
  readonly aggregation: MeasuredMetric;
  readonly #deltas: MeasuredMetric;
  /** What has been added, as the slots were then. */
  #added = new Float64Array(0);

  constructor(deltas: MeasuredMetric, aggregation: MeasuredMetric) {
    this.#deltas = deltas;
    this.aggregation = aggregation;
  }

  /** Adds what has been measured since the last time. */
  add(): void {
    const deltas = this.#deltas;
    const { width } = deltas;
    this.#makeRoom(deltas.size * width);
    for (const [series, name] of deltas.series.names().entries()) {
      const { attributes, startTimes } = deltas.series;
      const total = this.aggregation.seriesNamed(name, attributes[series]!, startTimes[series]!);
      const now = deltas.slotsOf(series);
      const before = this.#added.subarray(series * width, (series + 1) * width);
      this.aggregation.merge(total, now, before);
      before.set(now);
      for (const exemplar of deltas.exemplarsOf(series))
        this.aggregation.exemplars.put(this.aggregation.exemplarSlot(total, exemplar.value), exemplar);
    }
  }

  /** Ends an interval, before the first `written` series are forgotten. */
  advance(written: number): void {
    this.add();
    const { width, size } = this.#deltas;
    this.#added = this.#added.slice(written * width, size * width);
  }

  #makeRoom(size: number): void {
    if (size <= this.#added.length) return;
    const larger = new Float64Array(size);
    larger.set(this.#added);
    this.#added = larger;
  }
}
