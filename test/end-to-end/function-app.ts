// A function under the agent, flushed at the end of each call as a platform that freezes processes asks for; see `freeze.test.ts`.
import { trace } from '@opentelemetry/api';
import { start } from '../../src/index.ts';
import type { FreezeCall } from './freeze-app.ts';

const agent = start()!;

process.on('message', async ({ from, to }: FreezeCall) => {
  for (let id = from; id < to; id++) trace.getTracer('function').startSpan(String(id)).end();
  process.send!(await agent.flush());
});
