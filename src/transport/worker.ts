// The entry of the transport thread.
import { parentPort, workerData } from 'node:worker_threads';
import { type DeliveryNews, type DeliveryOptions, openDelivery } from './delivery.ts';

if (parentPort !== null) {
  const port = parentPort;
  const thread = openDelivery(workerData as DeliveryOptions, news =>
    port.postMessage(news satisfies DeliveryNews),
  );
  // The port keeps this thread alive until it is told how long its end may take.
  port.on('message', (withinMs: number) => {
    void thread.stop(withinMs);
    port.close();
  });
  void thread.run();
}
