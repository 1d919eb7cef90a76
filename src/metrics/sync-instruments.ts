// The instruments that measurements are made with: counter, up-down counter, gauge, histogram.
import type { Attributes, Context, Counter, Gauge, Histogram, UpDownCounter } from '@opentelemetry/api';
import type { Recorder, SeriesRecorder } from './aggregation.ts';
import type { MetricCounters } from './metric-counters.ts';

/**
 * What no instrument does is disturb its caller: a measurement that cannot be taken is counted, and so is one whose
 * attributes throw while they are read.
 */
abstract class SyncInstrument {
  readonly #recorder: Recorder;
  readonly #counters: MetricCounters;
  readonly #least: number;

  /** @param least what a measurement may be at the least: 0 for what only grows */
  constructor(recorder: Recorder, counters: MetricCounters, least: number = -Number.MAX_VALUE) {
    this.#recorder = recorder;
    this.#counters = counters;
    this.#least = least;
  }

  protected take(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    if (typeof value !== 'number' || !(value >= this.#least && value <= Number.MAX_VALUE)) {
      this.#counters.invalid++;
      return;
    }
    try {
      this.#recorder.record(value, attributes, context);
    } catch {
      this.#counters.rejected++;
    }
  }
}

/** Of non-negative increments. */
export class SumCounter extends SyncInstrument implements Counter {
  constructor(recorder: Recorder, counters: MetricCounters) {
    super(recorder, counters, 0);
  }

  add(value: number, attributes?: Attributes, context?: Context): void {
    this.take(value, attributes, context);
  }
}

export class SumUpDownCounter extends SyncInstrument implements UpDownCounter {
  add(value: number, attributes?: Attributes, context?: Context): void {
    this.take(value, attributes, context);
  }
}

export class LastValueGauge extends SyncInstrument implements Gauge {
  record(value: number, attributes?: Attributes, context?: Context): void {
    this.take(value, attributes, context);
  }
}

/** Measurements of one and the same attributes, which are looked up once. */
export interface BoundHistogram {
  record(value: number, context?: Context): void;
}

/** A histogram that may know {@link BoundHistogram}s: those of this agent do, those of other SDKs do not. */
export interface BindableHistogram extends Histogram {
  bind?(attributes: Attributes): BoundHistogram;
}

/** Of non-negative measurements. */
export class BucketHistogram extends SyncInstrument implements BindableHistogram {
  readonly #series: SeriesRecorder | undefined;

  /** @param series the recorder where it has series that stay the same */
  constructor(recorder: Recorder, counters: MetricCounters, series: SeriesRecorder | undefined) {
    super(recorder, counters, 0);
    this.#series = series;
  }

  record(value: number, attributes?: Attributes, context?: Context): void {
    this.take(value, attributes, context);
  }

  /** For who measures often under the same attributes. Under labels, which may become attributes, they are looked up again. */
  bind(attributes: Attributes): BoundHistogram {
    const fixed = { ...attributes };
    const recorder = this.#series;
    if (recorder === undefined) return { record: (value, context) => this.take(value, fixed, context) };
    let series = -1;
    const record = (value: number, context?: Context): void => {
      const plain = recorder.labelsUnder(context).count === 0;
      if (plain && series >= 0 && value >= 0 && value < Number.POSITIVE_INFINITY) {
        recorder.recordIn(series, value, context);
        return;
      }
      this.take(value, fixed, context);
      // Looked up only when it is there: a series without a measurement is none.
      if (plain && series < 0) series = seriesOf(recorder, fixed);
    };
    return { record };
  }
}

function seriesOf(recorder: SeriesRecorder, attributes: Attributes): number {
  try {
    return recorder.seriesOf(attributes);
  } catch {
    return -1;
  }
}
