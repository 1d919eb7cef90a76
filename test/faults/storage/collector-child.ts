// The collector's own command line, with a bug planted before it is loaded.
import { plant } from '../plant.ts';
import { plants } from './plants.ts';

const [bug] = process.argv.splice(2, 1) as [string];
const planted = bug === '' ? undefined : plant(plants[bug]!);
await import('../../../collector/main.ts');
planted?.();
