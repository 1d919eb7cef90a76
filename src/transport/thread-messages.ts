// What the threads of one process tell each other, each to all, so that one transport thread can serve them.
import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { DeliveryOptions } from './delivery.ts';

export type ThreadMessage =
  /** The transport thread `host` takes loops. */
  | { readonly kind: 'open'; readonly host: number }
  | LoopOffer
  /** Metrics are wanted in the rings now. */
  | { readonly kind: 'collect' }
  /** A thread needs its loop no longer: what lies in its ring is to be delivered. */
  | { readonly kind: 'left'; readonly thread: number }
  /** The same of a thread that is gone, and of all that it had started, which are gone with it. */
  | { readonly kind: 'ended'; readonly thread: number };

/** A loop between ring and collector that another thread may run. */
export interface LoopOffer {
  readonly kind: 'offer';
  /** The thread that fills the ring, and the one that started it. */
  readonly thread: number;
  readonly parent: number;
  readonly options: DeliveryOptions;
  /** How long what is left may take when the thread is gone. */
  readonly flushTimeoutMs: number;
}

/** A channel to all other threads that have one; it does not keep its thread alive. */
export function joinThreads(receive: (message: ThreadMessage) => void): BroadcastChannel {
  const channel = new BroadcastChannel('tricord');
  channel.onmessage = event => receive((event as { readonly data: ThreadMessage }).data);
  channel.unref();
  return channel;
}

/** Hears at once what has been told and not been heard yet: for when nothing waits for the event loop any more. */
export function hearNow(channel: BroadcastChannel, receive: (message: ThreadMessage) => void): void {
  // It takes both kinds; its types know of one.
  const port = channel as unknown as MessagePort;
  for (let told = receiveMessageOnPort(port); told; told = receiveMessageOnPort(port))
    receive(told.message as ThreadMessage);
}
