// A gentle load on the shop: a few requests a second, of every kind that is worth looking at.
import { setTimeout as delay } from 'node:timers/promises';

const tenants = ['acme', 'globex', 'initech'] as const;

interface Call {
  readonly weight: number;
  readonly path: string;
  readonly body?: unknown;
}

const calls: readonly Call[] = [
  { weight: 40, path: '/products/brass-compass' },
  { weight: 20, path: '/products/field-notebook' },
  { weight: 8, path: '/products/antique-globe' },
  { weight: 4, path: '/products/unicorn' },
  { weight: 20, path: '/orders', body: { sku: 'field-notebook', quantity: 3 } },
  { weight: 6, path: '/orders', body: { sku: 'sea-chart', quantity: 1 } },
  { weight: 2, path: '/orders', body: { sku: 'brass-compass', quantity: -1 } },
];

/** Each call as often as it weighs. */
const urn: readonly Call[] = calls.flatMap(call => Array<Call>(call.weight).fill(call));

const draw = (): Call => urn[Math.floor(Math.random() * urn.length)]!;

export interface LoadCounts {
  sent: number;
  failed: number;
}

/** Sends requests to `url` until the signal aborts, `perSecond` of them; `counts` is kept up to date. */
export async function load(
  url: string,
  perSecond: number,
  counts: LoadCounts,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    void send(url, draw(), counts);
    await delay(1000 / perSecond, undefined, { signal }).catch(() => {});
  }
}

async function send(url: string, { path, body }: Call, counts: LoadCounts): Promise<void> {
  const headers = {
    'x-tenant': tenants[Math.floor(Math.random() * tenants.length)]!,
    'content-type': 'application/json',
  };
  counts.sent++;
  try {
    const init: RequestInit =
      body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(10_000) });
    await response.arrayBuffer();
  } catch {
    counts.failed++;
  }
}
