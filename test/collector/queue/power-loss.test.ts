// Nothing acknowledged is lost and nothing is shown twice, whatever a power loss leaves of the unsynced writes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { liveThrough, type Plant } from './power-loss.ts';

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

  for (const plant of ['lying-sync', 'ack-before-sync', 'no-dedup'] satisfies Plant[]) {
    it(`finds the planted bug ${plant}`, async () => {
      assert.ok(await isFound(plant), 'no life noticed it');
    });
  }
});

async function isFound(plant: Plant): Promise<boolean> {
  for (let seed = 1; seed <= 100; seed++) {
    try {
      await liveThrough(seed, plant);
    } catch (error) {
      if (error instanceof assert.AssertionError) return true;
      throw error;
    }
  }
  return false;
}
