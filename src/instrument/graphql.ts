// Listens to GraphQL: on the channels of graphql 17, around the functions of graphql 16; what observes it is loaded with the first of them.
import { createRequire } from 'node:module';
import { listen } from './channel.ts';
import type { Message } from './graphql-operations.ts';
import { lazily } from './lazily.ts';
import { onPackageLoad } from './module-hooks.ts';

// Built, what it requires is in a file beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

/** Observes every operation that any copy of graphql executes, from the next one on. */
export function instrumentGraphql(): void {
  const operations = lazily(() => {
    const { Operations } = require('./graphql-operations.ts') as typeof import('./graphql-operations.ts');
    return new Operations();
  });
  for (const channel of ['graphql:execute', 'graphql:subscribe']) {
    listen<Message>(`tracing:${channel}:start`, message => operations().start(message));
    listen<Message>(`tracing:${channel}:end`, message => operations().returned(message));
    listen<Message>(`tracing:${channel}:asyncEnd`, message => operations().settled(message));
  }
  onPackageLoad('graphql', exports => operations().surround(exports));
}
