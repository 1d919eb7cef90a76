// Tells of metrics and instruments that have a name in common and are not the same, once for each, and what resolves it.
import { diag } from '@opentelemetry/api';
import type { InstrumentDescriptor } from './descriptor.ts';
import type { StreamPlan } from './streams.ts';
import type { View } from './view.ts';

/** The names of one meter. Metrics SDK specification, "Duplicate instrument registration". */
export class StreamNames {
  /** By name in lower case, the first of each. */
  readonly #plans = new Map<string, StreamPlan>();
  readonly #told = new Set<InstrumentDescriptor>();

  /** Takes the metrics of a new instrument. */
  add(plans: readonly StreamPlan[]): void {
    for (const plan of plans) {
      const name = plan.name.toLowerCase();
      const first = this.#plans.get(name);
      if (first === undefined) this.#plans.set(name, plan);
      else this.#tell(plan.instrument, conflict(first, plan));
    }
  }

  /** An instrument that is there is asked for again, under `name`, with whatever is not part of its identity. */
  repeat(
    known: InstrumentDescriptor,
    plans: readonly StreamPlan[],
    asked: InstrumentDescriptor,
    name: string,
  ): void {
    const isDescribed = plans.every(({ view }) => view?.stream.description !== undefined);
    if (known.description !== asked.description && !isDescribed)
      this.#tell(known, `${asked} is ${known}, whose description is used. ${described(known)}`);
    else if (name !== known.name)
      this.#tell(known, `"${name}" is the instrument ${known}: names differ by more than their case.`);
    else if (String(known.advisedBounds) !== String(asked.advisedBounds))
      this.#tell(
        known,
        `${known} was advised other boundaries before: the first are used. ${bounded(known)}`,
      );
  }

  #tell(instrument: InstrumentDescriptor, text: string): void {
    if (this.#told.has(instrument)) return;
    this.#told.add(instrument);
    diag.warn(text);
  }
}

function conflict(first: StreamPlan, second: StreamPlan): string {
  const [a, b] = [first.instrument, second.instrument];
  if (a === b)
    return `Two views make a metric "${second.name}" of ${a}, and both are sent. A stream.name tells them apart.`;
  const sent = `The metric ${shown(second)} is in conflict with ${shown(first)}; both are sent.`;
  if (a.kind === b.kind && a.unit === b.unit && a.name === b.name)
    return `${sent} Give both instruments the same type of values.`;
  const selector = {
    instrumentName: b.name,
    ...(a.kind !== b.kind && { instrumentType: b.kind }),
    ...(a.unit !== b.unit && { unit: b.unit }),
  };
  return `${sent} A view gives it another name: ${recipe({ selector, stream: { name: `${second.name}.${b.kind}` } })}`;
}

function shown({ name, instrument }: StreamPlan): string {
  return name === instrument.name ? `${instrument}` : `"${name}" of ${instrument}`;
}

function described({ name, description }: InstrumentDescriptor): string {
  return `A view settles it: ${recipe({ selector: { instrumentName: name }, stream: { description } })}`;
}

function bounded({ name, advisedBounds }: InstrumentDescriptor): string {
  const aggregation = { type: 'explicit_bucket_histogram', boundaries: advisedBounds ?? [] } as const;
  return `A view settles it: ${recipe({ selector: { instrumentName: name }, stream: { aggregation } })}`;
}

const recipe = (view: View): string => `views: [${JSON.stringify(view)}]`;
