// The ledger as series of `/metrics`.
import type { LabelSet, Sample, SelfTelemetry } from '../self-telemetry.ts';
import type { Ledger, LedgerRow } from './ledger.ts';

type Column = 'recovered' | 'accepted' | 'delivered' | 'filtered' | 'queued' | 'gap';

const columns: readonly (readonly [Column, type: 'counter' | 'gauge', help: string])[] = [
  ['recovered', 'counter', 'Items found in the queue at the start and owed to the exporter.'],
  ['accepted', 'counter', 'Items acknowledged since the start and owed to the exporter.'],
  ['delivered', 'counter', 'Items that the exporter has handed over.'],
  ['filtered', 'counter', 'Items that processors left out.'],
  ['queued', 'gauge', 'Items that wait in the queue or are being exported.'],
  ['gap', 'gauge', 'Items that are missing from the ledger, or there twice: 0 unless there is a bug.'],
];

export function observeLedger(telemetry: SelfTelemetry, ledger: Ledger): void {
  for (const [column, type, help] of columns) {
    const name = `tricord_ledger_${column}_items${type === 'counter' ? '_total' : ''}`;
    const collect = (): Sample[] => ledger.rows().map(row => ({ labels: labelsOf(row), value: row[column] }));
    telemetry.observe(name, help, collect, type);
  }
  const dropped = (): Sample[] => ledger.rows().flatMap(droppedSamples);
  telemetry.observe('tricord_ledger_dropped_items_total', 'Items given up, by reason.', dropped, 'counter');
}

function droppedSamples(row: LedgerRow): Sample[] {
  return Object.entries(row.dropped).map(([reason, value]) => ({
    labels: { ...labelsOf(row), reason },
    value,
  }));
}

function labelsOf({ signal, receiver, exporter, pipelines }: LedgerRow): LabelSet {
  return { signal, receiver, exporter, pipeline: pipelines.join('>') };
}
