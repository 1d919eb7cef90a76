// Every part of the storage scenario by name. A worker loads its part only after a bug was planted.
import type { Part } from './part.ts';

export const parts: Readonly<Record<string, () => Promise<{ readonly part: Part }>>> = {
  cut: () => import('./cut.ts'),
  kill: () => import('./kill.ts'),
  crash: () => import('./crash.ts'),
  flip: () => import('./flip.ts'),
  'io-error': () => import('./io-error.ts'),
  'call-error': () => import('./call-error.ts'),
  'slow-fsync': () => import('./slow-fsync.ts'),
  'full-disk': () => import('./full-disk.ts'),
  clock: () => import('./clock.ts'),
  'power-loss': () => import('./power-loss.ts'),
};
