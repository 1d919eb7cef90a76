// How many queries run at once: what they hold in memory adds up, and none is faster for it.
import { HttpError, type Route } from './router.ts';

export const queryGateLimits = { running_max: 2, waiting_max: 256 } as const;

const { running_max: RUNNING_MAX, waiting_max: WAITING_MAX } = queryGateLimits;

/*
 *   arriving ──▶ running (at most RUNNING_MAX) ──▶ answered
 *       └──▶ waiting (at most WAITING_MAX, first come first served) ──▶ running
 *
 * Invariant: nobody waits while fewer than RUNNING_MAX run. Who goes away while waiting leaves the line.
 */
export class QueryGate {
  #running = 0;
  readonly #waiting = new Set<() => void>();

  /** The route with its handler behind the gate; beyond the limits it answers 503. */
  guard(route: Route): Route {
    return {
      ...route,
      handler: async request => {
        if (this.#running >= RUNNING_MAX) await this.#wait(request.signal);
        else this.#running++;
        try {
          return await route.handler(request);
        } finally {
          this.#leave();
        }
      },
    };
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#running--;
    else next();
  }

  /** Resolves with the place of a query that is done. */
  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) {
      throw new HttpError(503, `${RUNNING_MAX} queries run and ${WAITING_MAX} wait: that is the limit`, {
        'retry-after': '1',
      });
    }
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = (): void => {
      this.#waiting.delete(enter);
      signal.removeEventListener('abort', giveUp);
      resolve();
    };
    const giveUp = (): void => {
      this.#waiting.delete(enter);
      reject(signal.reason);
    };
    this.#waiting.add(enter);
    signal.addEventListener('abort', giveUp, { once: true });
    await promise;
  }
}
