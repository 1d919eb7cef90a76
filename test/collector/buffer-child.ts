// Allocates buffers as a busy receiver does and prints how often the whole heap was collected meanwhile.
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { countBuffersAsHeap } from '../../collector/buffer-accounting.ts';

const BUFFER_BYTES = 256 * 1024;
const BUFFERS = 8192;
const LIVE = 128;

if (process.argv[2] === 'as-heap') countBuffersAsHeap();
let collections = 0;
const observer = new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    const { kind } = (entry as PerformanceEntry & { readonly detail: { readonly kind: number } }).detail;
    if (kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++;
  }
});
observer.observe({ entryTypes: ['gc'] });
const live: Buffer[] = [];
for (let i = 0; i < BUFFERS; i++) {
  live[i % LIVE] = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  if (i % 16 === 0) await turn();
}
await turn();
process.stdout.write(String(collections));
