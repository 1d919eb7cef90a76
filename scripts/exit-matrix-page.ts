// Writes docs/exit-matrix.md: runs the matrix of `test/register/exits`, one process at a time, which takes about two minutes.
import { writeFileSync } from 'node:fs';
import {
  matrixRow,
  plan,
  type Row,
  type TroubledRow,
  troubled,
  troubledRow,
} from '../test/register/exits/matrix.ts';
import { pageFile, pageOf } from '../test/register/exits/page.ts';

const groups: { title: string; rows: Row[] }[] = [];
for (const { title, rows: planned } of plan) {
  const rows: Row[] = [];
  for (const row of planned) rows.push(await matrixRow(row));
  groups.push({ title, rows });
}
const inTrouble: TroubledRow[] = [];
for (const row of troubled) inTrouble.push(await troubledRow(row));
writeFileSync(pageFile, pageOf({ groups, troubled: inTrouble }));
