// The process under strace: works on a queue, and says on stdout what was acknowledged.
import { writeSync } from 'node:fs';
import { plant } from '../plant.ts';
import { plants } from './plants.ts';

const [directory, run, groups, bug] = process.argv.slice(2) as [string, string, string, string?];
const planted = bug === undefined ? undefined : plant(plants[bug]!);
const { work } = await import('./workload.ts');
planted?.();
await work({ directory }, run, Number(groups), (event, text) => writeSync(1, `${event} ${text}\n`));
