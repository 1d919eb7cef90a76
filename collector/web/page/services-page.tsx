// All services: rate, errors and latency in a table, the latest and slowest traces below it.
import type { ComponentChild } from 'preact';
import { type Range, serviceNames, valuesBy } from './api.ts';
import { formatDuration, formatRate, formatShare, serviceColour } from './format.ts';
import { Show, useLoaded } from './load.tsx';
import { TraceLists } from './trace-lists.tsx';

interface ServiceRow {
  readonly name: string;
  readonly rate?: number | undefined;
  readonly errors?: number | undefined;
  readonly p50?: number | undefined;
  readonly p95?: number | undefined;
  readonly p99?: number | undefined;
}

async function loadServices(range: Range): Promise<ServiceRow[]> {
  const metric = 'http_server_request_duration_seconds';
  const quantile = (phi: number): Promise<Map<string, number>> =>
    valuesBy('job', `histogram_quantile(${phi}, sum by (job, le) (rate(${metric}_bucket[2m])))`);
  const [names, rate, failed, p50, p95, p99] = await Promise.all([
    serviceNames(range),
    valuesBy('job', `sum by (job) (rate(${metric}_count[2m]))`),
    valuesBy('job', `sum by (job) (rate(${metric}_count{http_response_status_code=~"5.."}[2m]))`),
    quantile(0.5),
    quantile(0.95),
    quantile(0.99),
  ]);
  return names.map(name => {
    const total = rate.get(name);
    const errors = total === undefined ? undefined : (failed.get(name) ?? 0) / total;
    return { name, rate: total, errors, p50: p50.get(name), p95: p95.get(name), p99: p99.get(name) };
  });
}

const latency = (seconds: number | undefined): string => formatDuration((seconds ?? Number.NaN) * 1000);

export function ServicesPage({ range }: { range: Range }): ComponentChild {
  const services = useLoaded(() => loadServices(range), [range]);
  return (
    <>
      <h1>Services</h1>
      <Show of={services}>
        {rows =>
          rows.length === 0 ? (
            <p class="empty">
              No service has sent anything in this time. Start one with{' '}
              <code>node --require tricord/register app.js</code>
            </p>
          ) : (
            <ServiceTable rows={rows} />
          )
        }
      </Show>
      <TraceLists query="{}" range={range} />
    </>
  );
}

function ServiceTable({ rows }: { rows: readonly ServiceRow[] }): ComponentChild {
  return (
    <table class="services">
      <thead>
        <tr>
          <th>Service</th>
          <th>Rate</th>
          <th>Errors</th>
          <th>p50</th>
          <th>p95</th>
          <th>p99</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr key={row.name}>
            <td>
              <a href={`#/service/${encodeURIComponent(row.name)}`}>
                <i class="dot" style={{ background: serviceColour(row.name) }} />
                {row.name}
              </a>
            </td>
            <td>{formatRate(row.rate)}</td>
            <td class={(row.errors ?? 0) > 0.01 ? 'bad' : undefined}>{formatShare(row.errors)}</td>
            <td>{latency(row.p50)}</td>
            <td>{latency(row.p95)}</td>
            <td>{latency(row.p99)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
