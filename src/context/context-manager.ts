// The OpenTelemetry ContextManager over ObservabilityContext: what `context.with` and `context.active` call.
import { EventEmitter } from 'node:events';
import type {
  Context,
  ContextManagementToken,
  ContextManager as OtelContextManager,
} from '@opentelemetry/api';
import { ObservabilityContext } from './observability-context.ts';

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
type AddListener = (event: string | symbol, listener: AnyFunction) => EventEmitter;

const ADD_METHODS = ['addListener', 'on', 'once', 'prependListener', 'prependOnceListener'] as const;
const REMOVE_METHODS = ['removeListener', 'off'] as const;

export class ContextManager implements OtelContextManager {
  /** The bound form of each listener, so that it can be removed by the function that was added. */
  readonly #boundEmitters = new WeakMap<EventEmitter, WeakMap<AnyFunction, AnyFunction>>();
  #enabled = true;

  active(): ObservabilityContext {
    return this.#enabled ? ObservabilityContext.active() : ObservabilityContext.root;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    const call = thisArg === undefined || thisArg === null ? fn : fn.bind(thisArg);
    return ObservabilityContext.with(context, call as (...args: A) => ReturnType<F>, ...args);
  }

  /** A function that runs in `context`, or an event emitter whose listeners, added from now on, do. Others are returned as they are. */
  bind<T>(context: Context, target: T): T {
    const bound = ObservabilityContext.from(context);
    try {
      if (target instanceof EventEmitter) return this.#bindEmitter(bound, target) as T;
      if (typeof target === 'function') return bindFunction(bound, target as unknown as AnyFunction) as T;
    } catch {
      // A Proxy that refuses to say what it is.
    }
    return target;
  }

  /** Makes `context` active until the token is disposed of, then what was active before. */
  attach(context: Context): ContextManagementToken {
    const previous = ObservabilityContext.active();
    ObservabilityContext.enter(context);
    return { dispose: () => ObservabilityContext.enter(previous) };
  }

  enable(): this {
    this.#enabled = true;
    return this;
  }

  disable(): this {
    this.#enabled = false;
    return this;
  }

  #bindEmitter(context: ObservabilityContext, emitter: EventEmitter): EventEmitter {
    if (this.#boundEmitters.has(emitter)) return emitter;
    const listeners = new WeakMap<AnyFunction, AnyFunction>();
    this.#boundEmitters.set(emitter, listeners);
    let adding = false;
    for (const name of ADD_METHODS) {
      const original = emitter[name] as AddListener;
      emitter[name] = function (this: EventEmitter, event: string | symbol, listener: AnyFunction) {
        // `once` is made of `on`: only the outer call binds.
        if (adding || typeof listener !== 'function') return original.call(this, event, listener);
        adding = true;
        try {
          return original.call(this, event, boundListener(listeners, context, listener));
        } finally {
          adding = false;
        }
      } as never;
    }
    for (const name of REMOVE_METHODS) {
      const original = emitter[name] as AddListener;
      emitter[name] = function (this: EventEmitter, event: string | symbol, listener: AnyFunction) {
        return original.call(this, event, listeners.get(listener) ?? listener);
      } as never;
    }
    return emitter;
  }
}

function boundListener(
  listeners: WeakMap<AnyFunction, AnyFunction>,
  context: ObservabilityContext,
  listener: AnyFunction,
): AnyFunction {
  let bound = listeners.get(listener);
  if (bound === undefined) {
    bound = bindFunction(context, listener);
    listeners.set(listener, bound);
  }
  return bound;
}

function bindFunction(context: ObservabilityContext, fn: AnyFunction): AnyFunction {
  const bound = function (this: unknown, ...args: unknown[]): unknown {
    return context.run(() => fn.apply(this, args));
  };
  Object.defineProperty(bound, 'length', { configurable: true, value: fn.length });
  return bound;
}
