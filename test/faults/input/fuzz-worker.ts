// A thread that fuzzes one decoder: plants the bug if there is one, loads the decoder, and tries inputs until it is time.
import { parentPort, workerData } from 'node:worker_threads';
import { plant } from '../plant.ts';
import { countArrayBytes } from './array-bytes.ts';
import { Coverage } from './coverage.ts';
import { decoders } from './decoders.ts';
import { Board, type FuzzOutcome, type FuzzTask } from './fuzz.ts';
import { Fuzzer } from './fuzzer.ts';
import { plants } from './plants.ts';

const task = workerData as FuzzTask;
const { plant: bug, seed } = task.command;
const planted = bug === undefined ? undefined : plant(plants[bug]!);
const coverage = new Coverage(/\/(src|collector)\/(?!.*\/test\/).*\.ts$/);
countArrayBytes();
const { decoder } = await decoders[task.decoder]!();
const fuzzer = new Fuzzer(decoder, seed, coverage, new Board(task.board));
await fuzzer.run(task);
const outcome: FuzzOutcome = fuzzer.state;
coverage.close();
// In a run of one part a bug that was not loaded is a mistake; in a run of all it may lie elsewhere.
if (task.command.part !== undefined) planted?.();
parentPort!.postMessage(outcome);
