// When the runtime collects garbage: what lies in buffers outside of the heap counts as what lies within.
import { setFlagsFromString } from 'node:v8';

/** Older versions do not know the flag, and say so on standard error. */
const V8_SINCE = 13.6;

/**
 * Without it V8 collects the whole heap after so many bytes of new buffers, however small the heap and however many
 * buffers live: a collector that receives 250 MB/s spends a quarter of its processor time on that, sixteen times a second.
 */
export function countBuffersAsHeap(v8 = Number.parseFloat(process.versions.v8)): boolean {
  if (v8 < V8_SINCE) return false;
  setFlagsFromString('--external-memory-accounted-in-global-limit');
  return true;
}
