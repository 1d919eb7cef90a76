// The collector in a process of its own, from its sources, with a bug in it when one is named.
import { plant } from '../../plant.ts';
import { plants } from '../plants.ts';

const [node, , bug, ...args] = process.argv as [string, string, string, ...string[]];
if (bug !== '') plant(plants[bug]!);
process.argv = [node, 'tricord-collector', ...args];
await import('../../../../collector/main.ts');
