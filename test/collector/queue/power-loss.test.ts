// Nothing acknowledged is lost and nothing is shown twice, whatever a power loss leaves of the unsynced writes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Breach } from './breach.ts';
import { liveThrough } from './power-loss.ts';

const seeds = Number(process.env.TRICORD_TEST_SEEDS ?? 200);

describe('power loss', () => {
  it(`loses nothing acknowledged in ${seeds} seeded lives`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        await liveThrough(seed);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });

  it('finds out a disk that lies about syncs', async () => {
    assert.ok(await isFoundOut(), 'no life noticed it');
  });
});

async function isFoundOut(): Promise<boolean> {
  for (let seed = 1; seed <= 100; seed++) {
    try {
      await liveThrough(seed, true);
    } catch (error) {
      if (error instanceof Breach) return true;
      throw error;
    }
  }
  return false;
}
