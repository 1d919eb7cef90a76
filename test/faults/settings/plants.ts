// The bugs that the settings scenario must find, as changes of the agent's sources.
import type { Edit } from '../plant.ts';

export const agentPlants: Readonly<Record<string, readonly Edit[]>> = {
  /** A variable that nobody knows is passed over. */
  unseen: [
    {
      file: 'src/read-options.ts',
      text: '.filter(isUnknown)',
      instead: '.filter(() => false)',
    },
  ],
  /** A start that fails takes the application's exit code along. */
  'exit-code': [
    {
      file: 'src/instrument/registration.ts',
      text: "reportFault('the start', error);",
      instead: "reportFault('the start', error); process.once('exit', () => { process.exitCode = 1; });",
    },
  ],
};
