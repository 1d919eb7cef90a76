// The query APIs over the store, loaded when there is a store to ask.
import { type Store, StoreClosedError } from '../store/store.ts';
import { QueryGate } from './query-gate.ts';
import { HttpError, type Route } from './router.ts';

export async function queryRoutes(store: Store): Promise<Route[]> {
  const [jaeger, loki, prometheus, tempo] = await Promise.all([
    import('../query/jaeger.ts'),
    import('../query/loki.ts'),
    import('../query/prometheus.ts'),
    import('../query/tempo.ts'),
  ]);
  const gate = new QueryGate();
  return [
    ...jaeger.jaegerRoutes(store),
    ...loki.lokiRoutes(store),
    ...prometheus.prometheusRoutes(store),
    ...tempo.tempoRoutes(store),
  ].map(route => gate.guard(untilClosed(route)));
}

/** The page asks on while the collector stops: the store goes before the web port does. */
function untilClosed(route: Route): Route {
  return {
    ...route,
    handler: async request => {
      try {
        return await route.handler(request);
      } catch (error) {
        if (error instanceof StoreClosedError) throw new HttpError(503, 'the collector is stopping');
        throw error;
      }
    },
  };
}
