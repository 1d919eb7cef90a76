// The exit matrix, run and held: how a process ends is the same with the agent, and what ended before it arrives.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Matrix, matrixRow, plan, type Row, type TroubledRow, troubled, troubledRow } from './matrix.ts';
import { pageNow, pageOf, timeless } from './page.ts';

const seen: { readonly title: string; readonly rows: Row[] }[] = [];
const seenInTrouble: TroubledRow[] = [];

describe('an application', { concurrency: 4 }, () => {
  for (const { title, rows: planned } of plan) {
    const rows: Row[] = [];
    seen.push({ title, rows });
    for (const [i, row] of planned.entries()) {
      it(`ends with the agent as without it, ${title.toLowerCase()}: ${row.ending.name}`, async () => {
        rows[i] = await matrixRow(row);
      });
    }
  }
  for (const [i, row] of troubled.entries()) {
    it(`ends so when its collector is in trouble: ${row.ending.name}`, async () => {
      seenInTrouble[i] = await troubledRow(row);
    });
  }
});

describe('docs/exit-matrix.md', () => {
  it('shows what was seen here', () => {
    const matrix: Matrix = { groups: seen, troubled: seenInTrouble };
    assert.equal(timeless(pageNow()), timeless(pageOf(matrix)), 'run `node scripts/exit-matrix-page.ts`');
  });
});
