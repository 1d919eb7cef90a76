// What measures the process begins after the application has loaded, which it would hold up.

import { warnSeldom } from '../context/message-limit.ts';
import { ObservabilityContext } from '../context/observability-context.ts';

const waiting: (() => void)[] = [];

/** Calls back when the event loop turns, or when metrics are collected before it does, as where a program ends without. */
export function afterLoading(begin: () => void): void {
  if (waiting.push(begin) === 1) setImmediate(beginWaiting).unref();
}

/** Begins what waits; whose call this is does not matter to it. */
export function beginWaiting(): void {
  if (waiting.length === 0) return;
  ObservabilityContext.root.run(() => {
    for (const begin of waiting.splice(0)) attempt(begin);
  });
}

function attempt(begin: () => void): void {
  try {
    begin();
  } catch (error) {
    warnSeldom('Something of the process cannot be measured.', error);
  }
}
