// Looks out for node:sqlite, which nothing tells of that it is loaded.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import { attempt } from './fault.ts';

// Built, what it requires is in a file beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

const CHANNEL = 'sqlite.db.query';

/**
 * Observes node:sqlite in this thread once its first statement has run, where Node publishes on `sqlite.db.query`.
 *
 * What is published there tells that the module is in use, which to look for would be to load it. It tells too little of
 * statements: durations in milliseconds, no errors, and texts with their values in them.
 */
export function instrumentSqlite(): void {
  const whenUsed = (): void => {
    unsubscribe(CHANNEL, whenUsed);
    attempt('node:sqlite', () => {
      const { observeNodeSqlite } = require('./node-sqlite.ts') as typeof import('./node-sqlite.ts');
      observeNodeSqlite(process.getBuiltinModule('node:sqlite'));
    });
  };
  subscribe(CHANNEL, whenUsed);
}
