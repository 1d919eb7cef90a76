// What views put between an instrument and its aggregations; without them an aggregation records by itself.
import type { Attributes, Context } from '@opentelemetry/api';
import type { Aggregation, Recorder } from './aggregation.ts';
import type { AttributeFilter } from './attribute-filter.ts';

/** Records what is kept of the attributes, and shows the exemplars all of them. */
export class FilteredRecorder implements Recorder {
  readonly #aggregation: Aggregation & Recorder;
  readonly #filter: AttributeFilter;

  constructor(aggregation: Aggregation & Recorder, filter: AttributeFilter) {
    this.#aggregation = aggregation;
    this.#filter = filter;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    const kept = this.#filter.kept(attributes);
    const { exemplars } = this.#aggregation;
    exemplars.measured = attributes;
    try {
      this.#aggregation.record(value, kept, context);
    } finally {
      exemplars.measured = undefined;
    }
  }
}

/** One recorder for all of them, of which there may be none. */
export function combined(recorders: readonly Recorder[]): Recorder {
  const [only] = recorders;
  if (recorders.length === 1) return only!;
  return {
    record(value, attributes, context) {
      for (const recorder of recorders) recorder.record(value, attributes, context);
    },
  };
}
