// What a workload knows of the agent that observes it: how to have everything delivered, and how to end.

export interface Agent {
  /** Resolves when everything made so far has been handed over. */
  flush(): Promise<void>;
  shutdown(): Promise<void>;
}

export type AgentName = 'none' | 'tricord' | 'opentelemetry' | 'opentelemetry-pino';

const files: Readonly<Record<AgentName, string>> = {
  none: './none.ts',
  tricord: './tricord.ts',
  opentelemetry: '../peers/opentelemetry.ts',
  'opentelemetry-pino': '../peers/opentelemetry-pino.ts',
};

/** Starts an agent as its users do, configured by the environment. */
export async function startAgent(name: AgentName): Promise<Agent> {
  const { start } = (await import(files[name])) as { start: () => Agent | Promise<Agent> };
  return start();
}
