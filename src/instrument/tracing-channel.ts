// Follows what a library publishes on a tracing channel of node:diagnostics_channel: a call for each message that starts.
import { listen } from './channel.ts';
import type { DatabaseCall, Failure } from './database-client.ts';

const CALL = Symbol('tricord.database-call');

/** What Node puts into the message when the operation fails. */
interface Outcome {
  readonly error?: unknown;
  [CALL]?: DatabaseCall | undefined;
}

/**
 * Ends what `start` begins: by the error, else when the promise is settled. `start` is called in the context of the operation's
 * maker; undefined where there is nothing to observe.
 */
export function followPromises<Message extends object>(
  channel: string,
  start: (message: Message) => DatabaseCall | undefined,
  failureOf: (error: unknown) => Failure,
): void {
  listen<Message & Outcome>(`tracing:${channel}:start`, message => {
    message[CALL] = start(message);
  });
  listen<Outcome>(`tracing:${channel}:error`, message => message[CALL]?.end(failureOf(message.error)));
  listen<Outcome>(`tracing:${channel}:asyncEnd`, message => message[CALL]?.end());
}
