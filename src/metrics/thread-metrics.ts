// In the main thread: adds what worker threads measure to what it measures itself, so that the process has one series of each.
import type { Clock } from '../context/clock.ts';
import type { AttributeList } from '../transport/otlp/record.ts';
import type { MeasuredAggregation } from './aggregation.ts';
import { SharedSlots } from './shared-memory.ts';
import { NewsReader, type StreamNews, type ThreadNews, type ToldExemplar } from './thread-news.ts';
import { SharingThreads } from './thread-share.ts';

interface ThreadMetricsTarget {
  /** The aggregation that takes what is told of; undefined when there may be no more instruments. */
  aggregationFor(told: StreamNews): MeasuredAggregation | undefined;
}

interface ThreadSeries {
  readonly name: string;
  readonly attributes: AttributeList;
  readonly startUnixMs: number;
  /** The version of what is in `added`. */
  version: number;
}

/**
 * A stream of a thread. What its slots have more than they had before is added, so that a thread that has ended leaves
 * what it has measured, and any temporality can be made of it.
 */
class ThreadStream {
  readonly thread: number;
  readonly parent: number;
  readonly aggregation: MeasuredAggregation;
  readonly series: ThreadSeries[] = [];
  readonly #width: number;
  readonly #clock: Clock;
  readonly #now: Float64Array;
  #slots: SharedSlots | undefined;
  /** What has been added, as the slots were then. */
  #added = new Float64Array(0);

  constructor({ thread, parent, width }: StreamNews, aggregation: MeasuredAggregation, clock: Clock) {
    this.thread = thread;
    this.parent = parent;
    this.aggregation = aggregation;
    this.#width = width;
    this.#clock = clock;
    this.#now = new Float64Array(width);
  }

  move(memory: SharedArrayBuffer): void {
    this.#slots = new SharedSlots(memory, this.#width);
    const added = new Float64Array(this.#slots.slots.length);
    added.set(this.#added);
    this.#added = added;
  }

  /** @param isOver whether its thread writes no more: then there is no better moment */
  add(isOver: boolean): void {
    const slots = this.#slots;
    if (slots === undefined) return;
    for (const [index, series] of this.series.entries()) {
      if (Atomics.load(slots.versions, index) === series.version) continue;
      const version = slots.read(index, this.#now, isOver);
      if (version === undefined) continue;
      series.version = version;
      const before = this.#added.subarray(index * this.#width, (index + 1) * this.#width);
      const startTime = this.#clock.fromUnixMillis(series.startUnixMs);
      const number = this.aggregation.seriesNamed(series.name, series.attributes, startTime);
      this.aggregation.merge(number, this.#now, before);
      before.set(this.#now);
    }
  }

  /** Of series that have something to show for them. */
  takeExemplars(told: readonly ToldExemplar[]): void {
    const { series: ownSeries, exemplars } = this.aggregation;
    for (const { series, unixMs, ...exemplar } of told) {
      const number = ownSeries.numberOf(this.series[series]!.name);
      if (number === undefined) continue;
      const time = this.#clock.fromUnixMillis(unixMs);
      exemplars.put(this.aggregation.exemplarSlot(number, exemplar.value), { ...exemplar, time });
    }
  }
}

export interface ThreadMetricsOptions {
  readonly target: ThreadMetricsTarget;
  readonly clock: Clock;
  /** Delivers all that was measured; false when it cannot. */
  readonly flush: () => Promise<boolean>;
  /** Whether a thread that is being started is none of the application's. */
  readonly isOwn: () => boolean;
}

/** Costs nothing before there is a thread. */
export class ThreadMetrics {
  readonly #options: ThreadMetricsOptions;
  readonly #threads: SharingThreads;
  readonly #streams = new Map<string, ThreadStream>();
  #reader: NewsReader | undefined;

  constructor(options: ThreadMetricsOptions) {
    this.#options = options;
    this.#threads = new SharingThreads(
      thread => this.#ended(thread),
      options.isOwn,
      () => {
        this.#reader ??= new NewsReader(news => this.#hear(news));
      },
    );
  }

  /** Adds what has been measured since the last time. */
  add(): void {
    this.#reader?.readNow();
    for (const stream of this.#streams.values()) stream.add(false);
  }

  close(): void {
    this.#threads.close();
    this.#reader?.close();
  }

  #hear(news: ThreadNews): void {
    if (news.kind === 'stream') this.#open(news);
    else if (news.kind === 'flush') void this.#flush(news.answer);
    else if (news.kind === 'ended') this.#leave(news.thread);
    else {
      const stream = this.#streams.get(news.stream);
      if (stream !== undefined) this.#hearOf(stream, news);
    }
  }

  #hearOf(stream: ThreadStream, news: Exclude<ThreadNews, { kind: 'stream' | 'flush' | 'ended' }>): void {
    if (news.kind === 'memory') stream.move(news.memory);
    else if (news.kind === 'series') stream.series.push({ ...news, version: 0 });
    else if (news.kind === 'closed') this.#close(news.stream, stream);
    else {
      stream.add(false);
      stream.takeExemplars(news.exemplars);
    }
  }

  #open(news: StreamNews): void {
    const { target, clock } = this.#options;
    const aggregation = target.aggregationFor(news);
    if (aggregation !== undefined) this.#streams.set(news.stream, new ThreadStream(news, aggregation, clock));
  }

  #close(name: string, stream: ThreadStream): void {
    stream.add(true);
    this.#streams.delete(name);
  }

  /** Behind all that the thread has told itself. */
  #ended(thread: number): void {
    this.#reader?.readNow();
    this.#leave(thread);
  }

  #leave(thread: number): void {
    const started = new Set<number>();
    for (const [name, stream] of this.#streams) {
      if (stream.thread === thread) this.#close(name, stream);
      else if (stream.parent === thread) started.add(stream.thread);
    }
    for (const each of started) this.#leave(each);
  }

  async #flush(answer: SharedArrayBuffer): Promise<void> {
    const delivered = await this.#options.flush();
    const word = new Int32Array(answer);
    Atomics.store(word, 0, delivered ? 1 : 2);
    Atomics.notify(word, 0);
  }
}
