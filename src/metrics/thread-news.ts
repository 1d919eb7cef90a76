// What threads tell the main thread of what they measure, so that it can add it to its own: all but the values themselves.
import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { ExemplarRecord } from '../transport/otlp/metrics.ts';
import type { AttributeList, ScopeRecord } from '../transport/otlp/record.ts';
import type { InstrumentDescriptor } from './descriptor.ts';
import type { ViewAggregation } from './view.ts';

export type ThreadNews =
  | StreamNews
  /** The slots of a stream lie here from now on. */
  | { readonly kind: 'memory'; readonly stream: string; readonly memory: SharedArrayBuffer }
  | SeriesNews
  /** Measurements that stand for others, by the number of their series. */
  | { readonly kind: 'exemplars'; readonly stream: string; readonly exemplars: readonly ToldExemplar[] }
  /** Nothing is measured in a stream any more. */
  | { readonly kind: 'closed'; readonly stream: string }
  /** Its thread has ended, and with it all that it had started. */
  | { readonly kind: 'ended'; readonly thread: number }
  /** All that was measured is to be delivered. The word becomes 1 when it is, and 2 when it cannot be. */
  | { readonly kind: 'flush'; readonly answer: SharedArrayBuffer };

/** A thread has a stream of its own. */
export interface StreamNews {
  readonly kind: 'stream';
  /** The stream's name among all of all threads. */
  readonly stream: string;
  readonly thread: number;
  /** The thread that started this one. */
  readonly parent: number;
  readonly scope: ScopeRecord;
  readonly instrument: ToldInstrument;
  /** What the stream is to the instrument. */
  readonly metric: ToldMetric;
  /** Slots of a series. */
  readonly width: number;
}

export type ToldInstrument = Pick<
  InstrumentDescriptor,
  'kind' | 'name' | 'description' | 'unit' | 'integer' | 'advisedBounds'
>;

interface ToldMetric {
  /** Its place among the metrics that views make of the instrument. */
  readonly index: number;
  readonly name: string;
  readonly description: string;
  readonly aggregation: ViewAggregation;
}

/** The stream's next series begins. */
interface SeriesNews {
  readonly kind: 'series';
  readonly stream: string;
  /** What identifies it. */
  readonly name: string;
  readonly attributes: AttributeList;
  readonly startUnixMs: number;
}

export interface ToldExemplar extends Omit<ExemplarRecord, 'time'> {
  readonly series: number;
  readonly unixMs: number;
}

const CHANNEL = 'tricord.metrics';

let speaking: BroadcastChannel | undefined;

/**
 * The news are with the main thread when this returns, whatever becomes of this one. It is on the channel only for as long
 * as it runs without a pause, as it would hear what all others tell.
 */
export function tell(news: ThreadNews): void {
  if (speaking === undefined) {
    speaking = new BroadcastChannel(CHANNEL);
    speaking.unref();
    queueMicrotask(hush);
  }
  speaking.postMessage(news);
}

function hush(): void {
  speaking?.close();
  speaking = undefined;
}

/** Hears what is told; it does not keep its thread alive. */
export class NewsReader {
  readonly #channel = new BroadcastChannel(CHANNEL);
  readonly #receive: (news: ThreadNews) => void;

  constructor(receive: (news: ThreadNews) => void) {
    this.#receive = receive;
    this.#channel.onmessage = event => receive((event as { readonly data: ThreadNews }).data);
    this.#channel.unref();
  }

  /** Hears at once what the event loop has not come to yet. */
  readNow(): void {
    // It takes both kinds; its types know of one.
    const port = this.#channel as unknown as MessagePort;
    for (let told = receiveMessageOnPort(port); told; told = receiveMessageOnPort(port))
      this.#receive(told.message as ThreadNews);
  }

  close(): void {
    this.#channel.close();
  }
}
