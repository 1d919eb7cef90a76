// How a component comes to be: its settings' schema, and the function that makes it from them.

import type { SignalName } from 'tricord/otlp';
import type { z } from 'zod';
import type { Component, Consumer, Exporter, Processor } from './component.ts';
import type { Log } from './log.ts';
import type { RequestMemory } from './receivers/request-memory.ts';
import type { SelfTelemetry } from './self-telemetry.ts';

/** What every component is given beside its settings. */
export interface ComponentContext {
  /** `otlp`, `otlp/edge`: as in the configuration. */
  readonly id: string;
  /** Where it may keep files; made when it is not there. Absolute. */
  readonly dataDir: string;
  readonly log: Log;
  readonly telemetry: SelfTelemetry;
}

/** Where receivers put batches: the queue without its readers. */
export interface Intake extends Consumer {
  /** Highest sequence of a stream instance that is durable; 0n when the instance is unknown. */
  durableSequence(instance: Uint8Array): bigint;
  /** Bytes that may still be offered before the intake refuses. */
  bytesFree(): number;
}

export interface Receiver extends Component {
  /** `host:port` by protocol, once started. */
  endpoints(): Readonly<Record<string, string>>;
}

/** Checked settings in, component out. `settings` is what `schema` gave. */
export interface Factory<Product, Inputs extends unknown[] = []> {
  readonly schema: z.ZodType;
  create(settings: unknown, context: ComponentContext, ...inputs: Inputs): Promise<Product>;
}

/** All receivers share the memory for requests. */
export type ReceiverFactory = Factory<Receiver, [Intake, RequestMemory]>;
export type ProcessorFactory = Factory<Processor>;
export type ExporterFactory = Factory<Exporter>;

/** A connector stands between two pipelines, as the first processor of the second one. */
export interface ConnectorFactory extends Factory<Processor> {
  /** Whether it makes batches of the second signal from those of the first. */
  connects(from: SignalName, to: SignalName): boolean;
}

/** A factory whose `create` is given what its schema makes. */
export function factory<Settings, Product, Inputs extends unknown[]>(
  schema: z.ZodType<Settings>,
  create: (settings: Settings, context: ComponentContext, ...inputs: Inputs) => Promise<Product>,
): Factory<Product, Inputs> {
  return {
    schema,
    create: (settings, context, ...inputs) => create(settings as Settings, context, ...inputs),
  };
}

/** Known types of one kind; loaded when a configuration names them, so that nobody pays for what is not used. */
export type Types<F> = Readonly<Record<string, () => Promise<F>>>;

export interface Registry {
  readonly receivers: Types<ReceiverFactory>;
  readonly processors: Types<ProcessorFactory>;
  readonly exporters: Types<ExporterFactory>;
  readonly connectors: Types<ConnectorFactory>;
}

export type ComponentKind = keyof Registry;
