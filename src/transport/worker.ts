// The entry of the transport thread.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type DeliveryNews, type DeliveryOptions, openDelivery } from './delivery.ts';
import { LoopHost } from './loop-host.ts';
import type { ThreadMessage } from './thread-messages.ts';

export interface WorkerOptions {
  readonly delivery: DeliveryOptions;
  /** Whether it runs the loops of other threads too. */
  readonly hosts: boolean;
}

/** What the thread that started it tells it. */
export type WorkerOrder =
  /** To end, within so many milliseconds. */
  | { readonly kind: 'stop'; readonly withinMs: number }
  /** What other threads have told. */
  | { readonly kind: 'relay'; readonly message: ThreadMessage };

if (parentPort !== null) {
  const port = parentPort;
  const { delivery, hosts } = workerData as WorkerOptions;
  /** What it tells beside the counters. */
  const tell = (news: DeliveryNews): void => port.postMessage(news);
  const host = hosts ? new LoopHost(tell) : undefined;
  const obey = (order: WorkerOrder): void => {
    if (order.kind === 'relay') return host?.receive(order.message);
    void thread.stop(order.withinMs);
    void host?.close(order.withinMs);
    port.close();
  };
  const flushOthers =
    host &&
    (() => {
      for (let order = receiveMessageOnPort(port); order; order = receiveMessageOnPort(port))
        obey(order.message as WorkerOrder);
      return host.flush();
    });
  const thread = openDelivery(delivery, tell, flushOthers);
  // The port keeps this thread alive until it is told how long its end may take.
  port.on('message', obey);
  void thread.run();
}
