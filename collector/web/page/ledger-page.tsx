// The ledger: for each way that items go, what was accepted beside what became of it, and the gap between the two.
import type { ComponentChild } from 'preact';
import { type LedgerData, type LedgerRow, ledger, type Range } from './api.ts';
import { formatCount } from './format.ts';
import { Show, useLoaded } from './load.tsx';

/** Reasons in words, where their name does not say it. */
const reasons: Readonly<Record<string, string>> = {
  processor: 'a processor failed',
  rejected: 'refused for good',
  gave_up: 'given up',
  partially_rejected: 'left out by the receiver',
  series_limit: 'over the series limit',
  point_without_value: 'without a value',
  unrouted: 'no pipeline takes it',
};

/** @param range changes when it is time to look again */
export function LedgerPage({ range }: { range: Range }): ComponentChild {
  const loaded = useLoaded(ledger, [range]);
  return (
    <>
      <h1>Ledger</h1>
      <Show of={loaded}>
        {data => (
          <>
            <Verdict rows={data.rows} />
            <Ways rows={data.rows} />
            <Intake data={data} />
          </>
        )}
      </Show>
    </>
  );
}

function Verdict({ rows }: { rows: readonly LedgerRow[] }): ComponentChild {
  const wrong = rows.filter(({ gap }) => gap !== 0).length;
  if (wrong > 0) {
    return (
      <p class="failure">
        {wrong === 1 ? '1 row has' : `${wrong} rows have`} a gap: items are missing, or counted twice. That is
        a bug.
      </p>
    );
  }
  return (
    <p class="quiet">
      Recovered and accepted items equal those that were delivered, filtered, dropped and are queued: nothing
      is missing.
    </p>
  );
}

function Ways({ rows }: { rows: readonly LedgerRow[] }): ComponentChild {
  return (
    <table class="ledger">
      <thead>
        <tr>
          <th>From the receiver to the exporter</th>
          <th>Recovered</th>
          <th>Accepted</th>
          <th class="right-side">Delivered</th>
          <th>Filtered</th>
          <th>Dropped</th>
          <th>Queued</th>
          <th class="right-side">Gap</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <Way key={[row.signal, row.receiver, row.exporter, ...row.pipelines].join(' ')} row={row} />
        ))}
      </tbody>
    </table>
  );
}

function Way({ row }: { row: LedgerRow }): ComponentChild {
  const { signal, receiver, exporter, pipelines, gap } = row;
  const dropped = Object.entries(row.dropped);
  return (
    <tr class={gap !== 0 ? 'gap' : undefined}>
      <td>
        <b>{signal}</b> {receiver} → {exporter}
        <small>{pipelines.length > 0 ? `through ${pipelines.join(', ')}` : 'no pipeline takes it'}</small>
      </td>
      <Count of={row.recovered} />
      <Count of={row.accepted} />
      <Count of={row.delivered} class="right-side" />
      <Count of={row.filtered} />
      <td class={dropped.length === 0 ? 'quiet' : 'warn'}>
        {formatCount(dropped.reduce((sum, [, items]) => sum + items, 0))}
        {dropped.map(([reason, items]) => (
          <small key={reason}>
            {formatCount(items)} {reasons[reason] ?? reason}
          </small>
        ))}
      </td>
      <Count of={row.queued} />
      <td class={`right-side ${gap === 0 ? 'quiet' : 'bad'}`}>{formatCount(gap)}</td>
    </tr>
  );
}

function Count({ of, class: name = '' }: { of: number; class?: string }): ComponentChild {
  return <td class={of === 0 ? `${name} quiet` : name}>{formatCount(of)}</td>;
}

function Intake({ data }: { data: LedgerData }): ComponentChild {
  const { intake, found } = data;
  return (
    <div class="columns">
      <section>
        <h2>What clients were told</h2>
        {intake.length === 0 && <p class="empty">Nothing has arrived yet.</p>}
        <dl>
          {intake.map(({ signal, receiver, accepted, duplicates, refused }) => (
            <div key={`${signal} ${receiver}`}>
              <dt>
                {signal}, {receiver}
              </dt>
              <dd>
                {formatCount(accepted)} accepted, {formatCount(duplicates)} resent and there already,{' '}
                {formatCount(refused)} refused
              </dd>
            </div>
          ))}
        </dl>
      </section>
      <section>
        <h2>What the queue found at its start, and since</h2>
        {found !== null && (
          <dl>
            <div>
              <dt>Batches found</dt>
              <dd>{formatCount(found.batches)}</dd>
            </div>
            <div>
              <dt>Damaged places</dt>
              <dd class={found.damaged > 0 ? 'bad' : undefined}>{formatCount(found.damaged)}</dd>
            </div>
            <div>
              <dt>Torn bytes cut off</dt>
              <dd>{formatCount(found.tornBytes)} (never acknowledged)</dd>
            </div>
          </dl>
        )}
      </section>
    </div>
  );
}
