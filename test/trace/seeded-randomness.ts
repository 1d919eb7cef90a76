// Seeds the generator of identities, so that a simulation takes the same course every time: to be imported before it.
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { seededRandom } from '../collector/queue/memory-disk.ts';

const random = seededRandom(1);

crypto.randomFillSync = (<T extends NodeJS.ArrayBufferView>(words: T): T => {
  if (words instanceof Int32Array) for (const i of words.keys()) words[i] = random() * 2 ** 32;
  return words;
}) as typeof crypto.randomFillSync;
syncBuiltinESMExports();
