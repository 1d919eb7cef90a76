// The latest and the slowest traces that a TraceQL query finds, side by side.
import type { ComponentChild } from 'preact';
import { type Range, searchTraces, type TraceRow } from './api.ts';
import { formatDuration, formatTime, serviceColour } from './format.ts';
import { Show, useLoaded } from './load.tsx';

export function TraceLists({ query, range }: { query: string; range: Range }): ComponentChild {
  return (
    <div class="columns">
      <TraceList title="Latest traces" query={query} range={range} order="latest" />
      <TraceList title="Slowest traces" query={query} range={range} order="slowest" />
    </div>
  );
}

interface TraceListProps {
  readonly title: string;
  readonly query: string;
  readonly range: Range;
  readonly order: 'latest' | 'slowest';
}

function TraceList({ title, query, range, order }: TraceListProps): ComponentChild {
  const traces = useLoaded(() => searchTraces(query, range, order), [query, range]);
  return (
    <section>
      <h2>{title}</h2>
      <Show of={traces}>
        {rows => (rows.length === 0 ? <p class="empty">None in this time.</p> : <Rows rows={rows} />)}
      </Show>
    </section>
  );
}

function Rows({ rows }: { rows: readonly TraceRow[] }): ComponentChild {
  const longest = Math.max(...rows.map(({ durationMs }) => durationMs), 1);
  return (
    <ul class="traces">
      {rows.map(({ traceId, service, name, startMs, durationMs }) => (
        <li key={traceId}>
          <a href={`#/trace/${traceId}`}>
            <span class="bar" style={{ width: `${(100 * durationMs) / longest}%` }} />
            <i class="dot" style={{ background: serviceColour(service) }} />
            <span class="what">
              <b>{service}</b> {name}
            </span>
            <span class="when">{formatTime(startMs)}</span>
            <span class="took">{durationMs < 1 ? '< 1 ms' : formatDuration(durationMs)}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}
