// What the collector says of itself: `/healthz` for probes, `/metrics` for Prometheus.
import type { SelfTelemetry } from '../self-telemetry.ts';
import { json, type Route, route } from './router.ts';

export interface Health {
  /** `ready` answers 200, everything else 503. */
  readonly status: 'starting' | 'ready' | 'draining';
  readonly components: Readonly<Record<string, string>>;
}

export function selfRoutes(health: () => Health, telemetry: SelfTelemetry): Route[] {
  return [
    route(['GET'], '/healthz', () => {
      const now = health();
      return json(now.status === 'ready' ? 200 : 503, now, { 'cache-control': 'no-store' });
    }),
    route(['GET'], '/metrics', () => ({
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
      body: telemetry.render(),
    })),
  ];
}
