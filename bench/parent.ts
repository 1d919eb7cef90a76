// A workload's side of the conversation with the harness.
import { once } from 'node:events';
import type { Figures } from './scenario.ts';

/** What the harness gave as `settings`. */
export function settings<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

export function say(kind: string, body: unknown = null): void {
  process.send?.([kind, body]);
}

/** Reports the result and lets go of the harness, so that the process can end. */
export function report(figures: Figures): void {
  process.send?.(['figures', figures], undefined, undefined, () => process.disconnect?.());
}

/** The body of the next message, which must be of this kind. */
export async function heard<T>(kind: string): Promise<T> {
  const [message] = (await once(process, 'message')) as [readonly [string, T]];
  if (message[0] !== kind) throw new Error(`"${message[0]}" came where "${kind}" was awaited`);
  return message[1];
}
