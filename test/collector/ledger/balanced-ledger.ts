// The assertion that a running collector's ledger has no gap: made at the end of every test that runs one.
import assert from 'node:assert/strict';
import type { LedgerPage } from '../../../collector/web/self-routes.ts';

/** @param web `host:port` of the collector's web port */
export async function balancedLedger(web: string): Promise<LedgerPage> {
  const response = await fetch(`http://${web}/ledger`, { headers: { accept: 'application/json' } });
  assert.equal(response.status, 200);
  const ledger = (await response.json()) as LedgerPage;
  const gaps = ledger.rows.filter(({ gap }) => gap !== 0);
  assert.deepEqual(gaps, [], 'the ledger has a gap');
  for (const row of ledger.rows) {
    const negative = Object.entries({ ...row, ...row.dropped }).filter(([, value]) => Number(value) < 0);
    assert.deepEqual(negative, [], `negative in ${row.signal} ${row.receiver} ${row.exporter}`);
  }
  return ledger;
}
