// Jobs of BullMQ on their way into queues, and the contexts that they carry, in the form of its own telemetry.
import {
  failureOf,
  type Headers,
  type MessagingCall,
  type OperationsByDestination,
  together,
} from './messaging-client.ts';
import { Messaging } from './messaging-conventions.ts';
import { observedPromise } from './observed-promise.ts';

/** The options of a job, as far as they are looked at. */
interface JobOptions {
  readonly telemetry?: {
    /** A context, as JSON of its headers. */
    readonly metadata?: unknown;
    readonly omitContext?: boolean;
  };
  /** Of what version 5 adds again and again. */
  readonly repeat?: unknown;
}

export interface NewJob {
  readonly name: string;
  readonly opts?: JobOptions;
}

export interface Job extends NewJob {
  readonly id?: string;
}

export interface FlowNode extends NewJob {
  readonly queueName: string;
  readonly children?: readonly FlowNode[];
}

/** What a job carries of the context that has added it. */
export function metadataOf(options: JobOptions | undefined): Headers | undefined {
  const { metadata } = options?.telemetry ?? {};
  if (typeof metadata !== 'string') return undefined;
  try {
    const headers = JSON.parse(metadata) as unknown;
    return typeof headers === 'object' && headers !== null ? (headers as Headers) : undefined;
  } catch {
    return undefined;
  }
}

/** Those that are added at once: a span for each of their queues. */
export class AddedJobs {
  readonly #adding: OperationsByDestination;
  /** By their queues, with the names of their first jobs. */
  readonly #calls = new Map<string, { readonly call: MessagingCall; readonly job: string }>();

  constructor(adding: OperationsByDestination) {
    this.#adding = adding;
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }

  /** The options of a job with the context of its queue's span in them, unless they have one, or want none. */
  carry(queue: string, job: string, options: JobOptions): JobOptions {
    const call = this.#callOf(queue, job);
    if (call === undefined) return options;
    call.messages++;
    const { telemetry, repeat } = options;
    if (telemetry?.omitContext || repeat) return options;
    const headers = call.inject(metadataOf(options));
    return { ...options, telemetry: { ...telemetry, metadata: JSON.stringify(headers) } };
  }

  carryFlow(node: FlowNode): FlowNode {
    const { queueName, name, opts = {}, children } = node;
    const carried = { ...node, opts: this.carry(queueName, name, opts) };
    return Array.isArray(children)
      ? { ...carried, children: children.map(child => this.carryFlow(child as FlowNode)) }
      : carried;
  }

  #callOf(queue: string, job: string): MessagingCall | undefined {
    let known = this.#calls.get(queue);
    if (known === undefined) {
      const call = this.#adding.on(queue).start(0);
      if (call === undefined) return undefined;
      known = { call, job };
      this.#calls.set(queue, known);
    }
    return known.call;
  }

  /** Adds them by `add`, whose own commands are in the context of the first span. */
  run(add: () => Promise<unknown>): Promise<unknown> {
    const calls = [...this.#calls.values()];
    for (const { call, job } of calls) describe(call, job);
    const [first] = calls;
    const added = first!.call.context.run(add).then(result => {
      const { id } = (result ?? {}) as Partial<Job>;
      if (typeof id === 'string' && first!.call.span.isRecording())
        first!.call.span.setAttribute(Messaging.messageId, id);
      return result;
    });
    return observedPromise(added, together(calls.map(({ call }) => call)), failureOf);
  }
}

function describe({ span, messages }: MessagingCall, job: string): void {
  if (!span.isRecording()) return;
  if (messages > 1) span.setAttribute(Messaging.batchCount, messages);
  else span.setAttribute(Messaging.jobName, job);
}
