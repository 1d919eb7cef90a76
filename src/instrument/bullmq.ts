// Producer and consumer spans and metrics of BullMQ: what is added to its queues, as jobs or flows, and what its workers do.
import { ObservabilityContext } from '../index.ts';
import { AddedJobs, type FlowNode, type Job, metadataOf, type NewJob } from './bullmq-jobs.ts';
import { attempt } from './fault.ts';
import {
  failureOf,
  type MessagingCall,
  MessagingClient,
  type MessagingFailure,
  OperationsByDestination,
} from './messaging-client.ts';
import { Messaging } from './messaging-conventions.ts';
import { exported, onPackageLoad } from './module-hooks.ts';

const SYSTEM = 'bullmq';
/** By these a worker says that a job is not over yet. */
const postponements: ReadonlySet<string> = new Set([
  ...['DelayedError', 'RateLimitError', 'WaitingChildrenError', 'WaitingError'],
]);

/** A queue, a worker, or what adds flows. */
interface QueueLike {
  readonly name: string;
  /** Whoever gives a `telemetry` has spans of BullMQ's own making. */
  readonly opts?: { readonly telemetry?: unknown };
}

type Method = (this: QueueLike, ...args: unknown[]) => Promise<unknown>;
type Methods = Record<string, Method>;

/** The argument with the contexts in it; undefined for what BullMQ is to refuse. */
type Carry = (jobs: AddedJobs, self: QueueLike, args: readonly unknown[]) => unknown;

/** Observes every queue, flow and worker of BullMQ 5 and 6 in this thread that has no `telemetry` of its own. */
export function instrumentBullmq(): void {
  let patches: BullmqPatches | undefined;
  onPackageLoad('bullmq', exports => {
    const found = ['Queue', 'FlowProducer', 'Worker'].map(
      name => exported<{ readonly prototype: Methods }>(exports, name)?.prototype,
    );
    if (found.every(prototype => prototype === undefined)) return false;
    patches ??= new BullmqPatches();
    patches.apply(...found);
    return true;
  });
}

class BullmqPatches {
  readonly #adding: OperationsByDestination;
  readonly #processing: OperationsByDestination;
  /** Files export what others define. */
  readonly #done = new WeakSet<Methods>();

  constructor() {
    const client = new MessagingClient();
    const process = { system: SYSTEM, name: 'process', type: 'process' } as const;
    this.#adding = new OperationsByDestination(client, { system: SYSTEM, name: 'add', type: 'send' });
    this.#processing = new OperationsByDestination(client, process);
  }

  apply(queue?: Methods, flows?: Methods, worker?: Methods): void {
    if (this.#isNew(queue)) {
      this.#observeAdding(queue, 'add', 2, (jobs, { name }, [job, , options]) =>
        jobs.carry(name, String(job), options ?? {}),
      );
      this.#observeAdding(queue, 'addBulk', 0, (jobs, { name }, [list]) =>
        each<NewJob>(list, job => ({ ...job, opts: jobs.carry(name, job.name, job.opts ?? {}) })),
      );
    }
    if (this.#isNew(flows)) {
      this.#observeAdding(flows, 'add', 0, (jobs, _, [flow]) => jobs.carryFlow(flow as FlowNode));
      this.#observeAdding(flows, 'addBulk', 0, (jobs, _, [list]) =>
        each<FlowNode>(list, flow => jobs.carryFlow(flow)),
      );
    }
    if (this.#isNew(worker)) this.#observeWorker(worker);
  }

  #isNew(prototype: Methods | undefined): prototype is Methods {
    if (prototype === undefined || this.#done.has(prototype)) return false;
    this.#done.add(prototype);
    return true;
  }

  /** @param at the argument in the place of which `carry` gives another */
  #observeAdding(prototype: Methods, name: string, at: number, carry: Carry): void {
    const method = prototype[name];
    if (typeof method !== 'function') return;
    const begin = (self: QueueLike, args: unknown[]): AddedJobs | undefined => {
      if (self.opts?.telemetry || ObservabilityContext.active().suppressed) return undefined;
      const jobs = new AddedJobs(this.#adding);
      const carried = carry(jobs, self, args);
      if (jobs.isEmpty) return undefined;
      args[at] = carried;
      return jobs;
    };
    prototype[name] = function (...args) {
      const jobs = attempt('bullmq', () => begin(this, args));
      return jobs === undefined ? method.apply(this, args) : jobs.run(() => method.apply(this, args));
    };
  }

  /** What a worker does with a job is between two commands of its own, which are not in the span. */
  #observeWorker(worker: Methods): void {
    const { callProcessJob } = worker;
    if (typeof callProcessJob !== 'function') return;
    const start = (self: QueueLike, job: Job): MessagingCall | undefined => {
      if (self.opts?.telemetry) return undefined;
      const call = this.#processing.on(self.name).startFrom(metadataOf(job.opts));
      if (call?.span.isRecording()) {
        call.span.setAttribute(Messaging.jobName, job.name);
        if (job.id !== undefined) call.span.setAttribute(Messaging.messageId, job.id);
      }
      return call;
    };
    worker.callProcessJob = function (...args) {
      const call = attempt('bullmq', () => start(this, args[0] as Job));
      return call === undefined
        ? callProcessJob.apply(this, args)
        : call.run(() => callProcessJob.apply(this, args), failureOfJob);
    };
  }
}

function each<Item>(list: unknown, change: (item: Item) => Item): readonly Item[] | undefined {
  return Array.isArray(list) ? list.map(item => change(item as Item)) : undefined;
}

function failureOfJob(error: unknown): MessagingFailure | undefined {
  const { name } = (error ?? {}) as { name?: unknown };
  return postponements.has(String(name)) ? undefined : failureOf(error);
}
