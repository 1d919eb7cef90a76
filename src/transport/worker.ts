// The entry of the transport thread.
import { parentPort, workerData } from 'node:worker_threads';
import { type DeliveryOptions, openDelivery } from './delivery.ts';

/** What the transport thread tells beside the counters: the last thing that went wrong, for people. */
export interface WorkerReport {
  readonly failure: string;
}

if (parentPort !== null) {
  const port = parentPort;
  const thread = openDelivery(workerData as DeliveryOptions, failure =>
    port.postMessage({ failure } satisfies WorkerReport),
  );
  // The port keeps this thread alive until it is told how long its end may take.
  port.on('message', (withinMs: number) => {
    void thread.stop(withinMs);
    port.close();
  });
  void thread.run();
}
