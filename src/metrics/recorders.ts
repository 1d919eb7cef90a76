// What stands between an instrument and its aggregations where views are; without them an aggregation records by itself.
import type { Attributes, Context } from '@opentelemetry/api';
import type { Recorder } from './aggregation.ts';
import type { AttributeFilter } from './attribute-filter.ts';
import type { ExemplarSlots } from './exemplar-slots.ts';

/** Records what is kept of the attributes, and shows the exemplars all of them. */
export class FilteredRecorder implements Recorder {
  readonly #recorder: Recorder;
  readonly #exemplars: ExemplarSlots;
  readonly #filter: AttributeFilter;

  constructor(recorder: Recorder, exemplars: ExemplarSlots, filter: AttributeFilter) {
    this.#recorder = recorder;
    this.#exemplars = exemplars;
    this.#filter = filter;
  }

  record(value: number, attributes: Attributes | undefined, context: Context | undefined): void {
    const kept = this.#filter.kept(attributes);
    this.#exemplars.measured = attributes;
    try {
      this.#recorder.record(value, kept, context);
    } finally {
      this.#exemplars.measured = undefined;
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
