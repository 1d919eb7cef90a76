// What the collector says of itself: `/healthz` for probes, `/metrics` for Prometheus, `/ledger` for people and tests.
import type { IntakeRow, LedgerRow } from '../ledger/ledger.ts';
import type { SelfTelemetry } from '../self-telemetry.ts';
import { json, type Route, route } from './router.ts';

export interface Health {
  /** `ready` answers 200, everything else 503. */
  readonly status: 'starting' | 'ready' | 'draining';
  readonly components: Readonly<Record<string, string>>;
}

/** What `/ledger` answers. */
export interface LedgerPage {
  readonly rows: readonly LedgerRow[];
  readonly intake: readonly IntakeRow[];
  /** What the queue found at its start; nothing before it is open. */
  readonly found: { readonly batches: number; readonly damaged: number; readonly tornBytes: number } | null;
}

const fresh = { 'cache-control': 'no-store' } as const;

export function selfRoutes(
  health: () => Health,
  telemetry: SelfTelemetry,
  ledger: () => LedgerPage,
): Route[] {
  return [
    route(['GET'], '/healthz', () => {
      const now = health();
      return json(now.status === 'ready' ? 200 : 503, now, fresh);
    }),
    route(['GET'], '/metrics', () => ({
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', ...fresh },
      body: telemetry.render(),
    })),
    route(['GET'], '/ledger', ({ headers }) => {
      const browser = headers.accept?.includes('text/html') === true;
      if (browser) return { status: 303, headers: { location: '/#/ledger', vary: 'accept' }, body: '' };
      return json(200, ledger(), { vary: 'accept', ...fresh });
    }),
  ];
}
