// The application thread's face of the transport: the sink, the counters, and the flushes.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { isMainThread, Worker } from 'node:worker_threads';
import { OptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Backoff } from './backoff.ts';
import type { Held } from './client.ts';
import {
  Control,
  type Durations,
  Outcome,
  SHARE_UNIT,
  SignalCounter,
  ThreadCounter,
  Word,
} from './control.ts';
import type { DeliveryNews, DeliveryOptions } from './delivery.ts';
import { checkTls, type EndpointOptions, parseEndpoint } from './endpoint.ts';
import { askFlush, flushed, flushedSync } from './flush.ts';
import { HostedLoop } from './hosted-loop.ts';
import type { FieldRules } from './otlp/field-rules.ts';
import { Signal, type Sink } from './otlp/record.ts';
import { INSTANCE_ID_BYTES } from './otlp/stream-frame.ts';
import { allocateRing, RingProducer } from './ring.ts';
import { StartedThreads, servedParent } from './started-threads.ts';
import type { SignalStats, TransportStats } from './stats.ts';
import type { Packs, TransportThread } from './thread.ts';
import type { ThreadMessage } from './thread-messages.ts';
import type { WorkerOptions, WorkerOrder } from './worker.ts';

export interface TransportOptions extends EndpointOptions {
  readonly protocol: 'grpc' | 'http/protobuf';
  /** 16 bytes, random, for this process alone. */
  readonly instanceId: Uint8Array;
  /** Serialized `opentelemetry.proto.resource.v1.Resource`. */
  readonly resource: Uint8Array;
  /** The wall time that times in records count from, nanoseconds since the Unix epoch. */
  readonly anchorUnixNanos: bigint;
  /** Size of the ring; rounded up to a power of two within the limits. */
  readonly ringBytes: number;
  /** Bound of the batches that are not settled; within the limits. */
  readonly resendBytes: number;
  /** What is sent of the attributes of lines; by default all. */
  readonly fields?: FieldRules | undefined;
  /** Milliseconds that an ended span, and a log record, may wait for others. Metrics do not wait. */
  readonly tracesLingerMs: number;
  readonly logsLingerMs: number;
  /** Whether the loop between ring and collector has a thread of its own; else it runs on the application's event loop. */
  readonly thread: boolean;
  /** How long what a thread of the application's leaves behind may take to be delivered. */
  readonly flushTimeoutMs: number;
  /** Writes into the sink what is gathered elsewhere; called before a flush of the whole process. */
  readonly collect?: () => void;
  /** Runs what nothing may observe: the loop, when it has no thread of its own. */
  readonly unobserved?: (run: () => void) => void;
  /** Whether every batch is packed, or none. By default those that have to wait are, in a thread of their own. */
  readonly compression?: 'gzip' | 'none' | undefined;
  /** Told the first time that a transport thread dies: nothing is sent while there is none. */
  readonly warn?: (line: string) => void;
  /** Told of every connection, and of what goes wrong with one. */
  readonly news?: (news: DeliveryNews) => void;
}

// Built, what it requires is in a file beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

/** A resource must leave the larger part of a batch to the items. */
const RESOURCE_BYTES_MAX: number = limits.batch_bytes_max / 4;
/** Heap of the transport thread; the batches themselves lie outside of it. */
const HEAP_MIB_MAX = 128;
const YOUNG_HEAP_MIB_MAX = 1;
const TERMINATE_AFTER_MS_MIN = 100;
/** What other threads tell while there is no transport thread to hear it. */
const RELAYS_MAX = 1000;

/** The loop on the application's event loop; its modules load only where it runs there. */
interface OwnLoop {
  delivery?: TransportThread;
}

/**
 * Owns the ring and the transport thread. It never throws into the application once it is constructed: a thread that dies
 * is counted and replaced. It does not keep the process alive.
 *
 * Without a thread of its own the loop runs on the application's event loop, and moves to a thread when the process ends:
 * that is the only way to deliver anything where nothing asynchronous runs any more.
 *
 * In a worker thread of the application, ring and stream are its own, and the main thread's transport thread runs the loop.
 */
export class Transport {
  readonly sink: Sink;
  readonly #options: TransportOptions;
  readonly #memory: SharedArrayBuffer;
  readonly #control: Control;
  readonly #producer: RingProducer;
  readonly #restart = new Backoff(1000, 60_000);
  readonly #atStart = AsyncLocalStorage.snapshot();
  /** One of these at most. */
  #worker: Worker | undefined;
  #own: OwnLoop | undefined;
  #hosted: HostedLoop | undefined;
  /** The application's threads that this one starts. */
  #threads: StartedThreads | undefined;
  /** The thread that started this one, where the main thread's transport thread runs the loop. */
  readonly #parent: number | undefined;
  readonly #relays: ThreadMessage[] = [];
  #spawning = false;
  /** The thread's first start, which the first record brings forward. */
  #starting: NodeJS.Immediate | undefined;
  #instanceId: Uint8Array;
  #deaths = 0;
  #lastFailure: string | undefined;
  #shutdown: Promise<boolean> | undefined;

  /** @throws OptionError for an endpoint, header, certificate, instance ID or resource that cannot be used */
  constructor(options: TransportOptions) {
    parseEndpoint(options);
    checkTls(options);
    if (options.instanceId.length !== INSTANCE_ID_BYTES)
      throw new OptionError(
        `The instance ID has ${options.instanceId.length} bytes, not ${INSTANCE_ID_BYTES}.`,
      );
    if (options.resource.length > RESOURCE_BYTES_MAX)
      throw new OptionError(`The resource has ${options.resource.length} bytes, over ${RESOURCE_BYTES_MAX}.`);
    this.#options = options;
    this.#instanceId = options.instanceId;
    this.#memory = allocateRing(options.ringBytes);
    this.#control = new Control(this.#memory);
    this.#producer = new RingProducer(this.#memory, options.anchorUnixNanos, () => this.#startFirst());
    this.sink = this.#producer;
    if (options.thread) {
      this.#parent = servedParent();
      if (isMainThread || this.#parent !== undefined)
        this.#threads = new StartedThreads(
          () => this.isSpawning,
          message => this.#relay(message),
        );
    }
    // After what the application does first, which is to load: the thread would compete with it for the processor.
    this.#starting = setImmediate(() => this.#startFirst());
    this.#starting.unref();
  }

  /** Whether a thread that is being started is the transport's. */
  get isSpawning(): boolean {
    return this.#spawning;
  }

  stats(): TransportStats {
    const control = this.#control;
    return {
      signals: {
        traces: this.#signalStats(Signal.traces),
        metrics: this.#signalStats(Signal.metrics),
        logs: this.#signalStats(Signal.logs),
      },
      level: this.#producer.level(),
      resendLevel: Atomics.load(control.words, Word.held) / SHARE_UNIT,
      credit: this.#credit(),
      room: this.#producer.room(),
      samplingProbability: this.#producer.samplingProbability(),
      connected: Atomics.load(control.words, Word.connected) === 1,
      connections: control.countedThread(ThreadCounter.connections),
      connectionFailures: control.countedThread(ThreadCounter.connectionFailures),
      batchesSent: control.countedThread(ThreadCounter.batchesSent),
      batchesResent: control.countedThread(ThreadCounter.batchesResent),
      bytesSent: control.countedThread(ThreadCounter.bytesSent),
      nonsense: control.countedThread(ThreadCounter.nonsense),
      malformedLines: control.countedThread(ThreadCounter.malformedLines),
      truncatedLines: control.countedThread(ThreadCounter.truncatedLines),
      deaths: this.#deaths,
      lastFailure: this.#lastFailure,
    };
  }

  /** Known while a collector answers on the stream. */
  #credit(): number | undefined {
    const credit = this.#control.countedThread(ThreadCounter.credit);
    const isKnown = Atomics.load(this.#control.words, Word.connected) === 1 && !Number.isNaN(credit);
    return isKnown ? credit : undefined;
  }

  #signalStats(signal: Signal): SignalStats {
    const counted = (counter: number): number => this.#control.counted(counter, signal);
    const delivered = counted(SignalCounter.delivered);
    const rejected = counted(SignalCounter.rejected);
    const lost = counted(SignalCounter.lost);
    const accepted = counted(SignalCounter.accepted);
    const pending = accepted - delivered - rejected - lost;
    const inRing = accepted - counted(SignalCounter.drained);
    return {
      accepted,
      delivered,
      rejected,
      lost,
      pending,
      queued: inRing,
      gap: pending - inRing - counted(SignalCounter.held),
      leftOut: counted(SignalCounter.leftOut),
      dropped: {
        full: counted(SignalCounter.droppedFull),
        tooLarge: counted(SignalCounter.droppedTooLarge),
        closed: counted(SignalCounter.droppedClosed),
      },
    };
  }

  /**
   * Resolves when everything written before it is settled: true; or when the time is over or the collector cannot be
   * reached: false. Keeps the process alive meanwhile.
   */
  async flush(timeoutMs: number): Promise<boolean> {
    if (!this.#hasPending()) return true;
    const number = askFlush(this.#control);
    // Waiting for a shared word alone would let the process end.
    const alive = setTimeout(() => {}, timeoutMs);
    try {
      return await flushed(this.#control, number, timeoutMs, () => this.#runs());
    } finally {
      clearTimeout(alive);
    }
  }

  /**
   * The same, blocking the thread: for the handlers of `exit`, where nothing asynchronous runs any more. The transport
   * thread does not need this one to deliver, not even to load. Where there is none, one takes over what is not settled,
   * under the same instance ID and sequences, so that a collector stores nothing twice. Returns at once when there is nothing to deliver; when the
   * collector refuses the connection twice, 100 ms apart, it gives up, however much of the time is left.
   *
   * Where the main thread's transport thread runs the loop nobody waits: that goes on without this thread.
   */
  flushSync(timeoutMs: number): boolean {
    if (this.#hosted !== undefined) {
      this.#leave();
      return true;
    }
    if (!this.#hasPending()) return true;
    const deadline = performance.now() + timeoutMs;
    this.#startFirst();
    this.#threads?.relayNow();
    if (this.#own !== undefined) this.#moveToThread(this.#own);
    if (this.#worker === undefined) return false;
    return flushedSync(this.#control, askFlush(this.#control), deadline);
  }

  /** How long exports of a signal took, from when a batch was made until it was acknowledged: those that went well, and others. */
  durations(signal: Signal): { readonly success: Durations; readonly failure: Durations } {
    const of = (outcome: Outcome): Durations => this.#control.durations(signal, outcome);
    return { success: of(Outcome.success), failure: of(Outcome.failure) };
  }

  /**
   * Refuses further records, flushes, and ends the thread, all within the time. Resolves to what the flush did. The second
   * call joins the first.
   */
  shutdown(timeoutMs: number): Promise<boolean> {
    this.#shutdown ??= this.#close(timeoutMs);
    return this.#shutdown;
  }

  async #close(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    this.#producer.close();
    const delivered = await this.flush(timeoutMs);
    this.#threads?.close();
    this.#leave();
    const left = Math.max(TERMINATE_AFTER_MS_MIN, deadline - performance.now());
    if (this.#own !== undefined) {
      const { delivery } = this.#own;
      await delivery?.stop(left);
      this.#ended();
    } else if (this.#worker !== undefined) {
      const worker = this.#worker;
      const { promise: exited, resolve } = Promise.withResolvers<void>();
      worker.once('exit', () => resolve());
      worker.postMessage({ kind: 'stop', withinMs: left } satisfies WorkerOrder);
      const timer = setTimeout(() => void worker.terminate(), left);
      await exited;
      clearTimeout(timer);
    }
    return delivered;
  }

  #runs(): boolean {
    return this.#worker !== undefined || this.#own !== undefined || this.#hosted !== undefined;
  }

  /** Whether anything lies in the ring or with the thread, which is busy before it releases what it took; or may lie in other rings. */
  #hasPending(): boolean {
    const { words } = this.#control;
    const drained = Atomics.load(words, Word.tail) === Atomics.load(words, Word.head);
    return !drained || Atomics.load(words, Word.busy) === 1 || (isMainThread && this.#threads?.any === true);
  }

  /** To the transport thread, now or when there is one. */
  #relay(message: ThreadMessage): void {
    if (this.#worker !== undefined)
      this.#worker.postMessage({ kind: 'relay', message } satisfies WorkerOrder);
    else if (this.#relays.push(message) > RELAYS_MAX) this.#relays.shift();
  }

  #startFirst(): void {
    if (this.#starting === undefined) return;
    clearImmediate(this.#starting);
    this.#starting = undefined;
    this.#start();
  }

  #start(): void {
    if (this.#shutdown !== undefined) return;
    if (!this.#options.thread) return this.#startOwn();
    if (this.#parent !== undefined) return this.#offer(this.#parent);
    try {
      this.#worker = this.#spawn();
      for (const message of this.#relays.splice(0)) this.#relay(message);
    } catch (error) {
      this.#died(String(error));
    }
  }

  /** In no context of the application's: the loop outlives all of them. */
  #startOwn(): void {
    const own: OwnLoop = {};
    this.#own = own;
    const { unobserved = (run: () => void): void => run() } = this.#options;
    const run = async (): Promise<void> => {
      const { openDelivery } = require('./delivery.ts') as typeof import('./delivery.ts');
      own.delivery = openDelivery(this.#deliveryOptions(undefined), news => this.#hear(news));
      await own.delivery.run();
    };
    const failed = (error: unknown): void => {
      if (this.#own !== own) return;
      own.delivery?.abandon();
      this.#died(String(error));
    };
    this.#atStart(() => unobserved(() => void run().catch(failed)));
  }

  #offer(parent: number): void {
    this.#hosted = new HostedLoop({
      ...{ control: this.#control, parent, flushTimeoutMs: this.#options.flushTimeoutMs },
      delivery: () => this.#deliveryOptions(undefined),
      lost: () => this.#lost('it was that of the main thread'),
      collect: () => this.#options.collect?.(),
    });
  }

  #leave(): void {
    this.#hosted?.leave();
    this.#hosted = undefined;
  }

  /** The loop goes on in a thread, with all that it has not settled. */
  #moveToThread(own: OwnLoop): void {
    try {
      this.#worker = this.#spawn(own.delivery?.held());
      this.#own = undefined;
      own.delivery?.abandon();
    } catch (error) {
      this.#lastFailure = `no thread could be started to deliver what is left: ${String(error)}`;
      this.#options.warn?.(this.#lastFailure);
    }
  }

  #deliveryOptions(held: Held | undefined): DeliveryOptions {
    const { endpoint, headers, certificate, clientCertificate, clientKey, timeoutMs, protocol } =
      this.#options;
    const { resource, tracesLingerMs, logsLingerMs, resendBytes, fields } = this.#options;
    return {
      ...{ endpoint, headers, certificate, clientCertificate, clientKey, timeoutMs, protocol },
      ...{ resource, tracesLingerMs, logsLingerMs, resendBytes, fields, held },
      instanceId: this.#instanceId,
      memory: this.#memory,
      packs: this.#packs(),
      definitions: this.#producer.definitions(),
    };
  }

  #packs(): Packs {
    const { compression, thread } = this.#options;
    if (compression !== undefined) return compression === 'gzip' ? 'always' : 'never';
    return thread ? 'waiting' : 'never';
  }

  #spawn(held?: Held): Worker {
    const worker = this.#newWorker({
      delivery: this.#deliveryOptions(held),
      hosts: this.#threads !== undefined,
    });
    let reason = 'it ended by itself';
    worker.on('message', (news: DeliveryNews) => this.#hear(news));
    worker.on('error', error => {
      reason = String(error);
    });
    worker.on('exit', () => this.#died(reason));
    worker.unref();
    return worker;
  }

  #hear(news: DeliveryNews): void {
    if (news.kind !== 'connected') this.#lastFailure = news.reason;
    this.#options.news?.(news);
  }

  #newWorker(workerData: WorkerOptions): Worker {
    // The agent must not start in its own thread: no options of the command line, none of the environment.
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.#spawning = true;
    try {
      return new Worker(workerUrl(), {
        ...{ name: 'tricord-transport', workerData, env, execArgv: [] },
        // Nothing of the thread's, such as a warning of the runtime's, may reach the application's output.
        ...{ stdout: true, stderr: true },
        resourceLimits: {
          maxOldGenerationSizeMb: HEAP_MIB_MAX,
          maxYoungGenerationSizeMb: YOUNG_HEAP_MIB_MAX,
        },
      });
    } finally {
      this.#spawning = false;
    }
  }

  /** Starts another thread. */
  #died(reason: string): void {
    if (this.#shutdown !== undefined) return this.#ended();
    this.#lost(reason);
    if (this.#deaths === 1) this.#options.warn?.(this.#lastFailure!);
    setTimeout(() => this.#start(), this.#restart.nextMs()).unref();
  }

  /** The loop's thread died. The next one has a new instance ID, as its sequences start anew. */
  #lost(reason: string): void {
    this.#ended();
    this.#deaths++;
    this.#lastFailure = `the transport thread died: ${reason}`;
    this.#instanceId = randomBytes(INSTANCE_ID_BYTES);
  }

  /** Counts what the loop took with it. */
  #ended(): void {
    this.#worker = undefined;
    this.#own = undefined;
    const control = this.#control;
    for (const signal of Object.values(Signal)) {
      const counted = (counter: number): number => control.counted(counter, signal);
      const settled =
        counted(SignalCounter.delivered) + counted(SignalCounter.rejected) + counted(SignalCounter.lost);
      control.count(SignalCounter.lost, signal, Math.max(0, counted(SignalCounter.drained) - settled));
      control.note(SignalCounter.held, signal, 0);
    }
    Atomics.store(control.words, Word.held, 0);
    Atomics.store(control.words, Word.busy, 0);
    Atomics.store(control.words, Word.connected, 0);
    Atomics.notify(control.words, Word.flushDone);
  }
}

/** The entry beside this file, which is as this one is: source or built. */
function workerUrl(): URL {
  const { href } = new URL('./worker.ts', import.meta.url);
  return new URL(href.replace(/\.ts$/, extname(import.meta.url)));
}
