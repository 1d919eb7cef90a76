// Callbacks of libraries that call them from a connection of their own: they run in the context of who gave them.
import { ObservabilityContext } from '../index.ts';

export type Callback = (this: unknown, ...args: unknown[]) => unknown;

export const isCallback = (value: unknown): value is Callback => typeof value === 'function';

/** The callback, called in the context; `before` sees the arguments first, and throws nothing. */
export function inContext(
  context: ObservabilityContext,
  callback: Callback,
  before?: (first: unknown) => void,
): Callback {
  return function (this: unknown, ...args) {
    before?.(args[0]);
    return context.run(() => callback.apply(this, args));
  };
}

/** The callback bound to the active context; anything else as it is. */
export function inActiveContext(callback: unknown): unknown {
  return isCallback(callback) ? inContext(ObservabilityContext.active(), callback) : callback;
}
