// Our agent, started in code.
import { start as startTricord } from 'tricord';
import type { Agent } from './agent.ts';

export function start(): Agent {
  const agent = startTricord();
  if (agent === undefined) throw new Error('the agent is disabled');
  return {
    flush: async () => {
      if (!(await agent.flush())) throw new Error(`the flush failed: ${JSON.stringify(agent.stats())}`);
    },
    shutdown: async () => {
      await agent.shutdown();
    },
  };
}
