// In the place of `--require tricord/register`: the same with a planted bug.
import { createRequire } from 'node:module';
import { plant } from '../plant.ts';
import { agentPlants } from './plants.ts';

const planted = plant(agentPlants[process.env.FAULT_PLANT!]!);
createRequire(import.meta.url)('../../../src/register.ts');
planted();
