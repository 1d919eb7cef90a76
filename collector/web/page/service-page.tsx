// One service: rate, errors and latency over time, exemplars that open their trace, its latest and slowest traces.
import type { ComponentChild } from 'preact';
import { useMemo } from 'preact/hooks';
import { type ExemplarPoint, exemplars, type Range, rangeQuery, type Series } from './api.ts';
import { formatDuration, formatRate, serviceColour } from './format.ts';
import { Show, useLoaded } from './load.tsx';
import { Plot } from './plot.tsx';
import { TraceLists } from './trace-lists.tsx';

interface ServiceData {
  readonly rate: Series | undefined;
  readonly errors: Series | undefined;
  readonly quantiles: readonly (Series | undefined)[];
  readonly exemplars: readonly ExemplarPoint[];
}

const quantiles = [0.5, 0.95, 0.99] as const;
const colours = ['--plot-1', '--plot-2', '--plot-3'] as const;

async function loadService(service: string, range: Range): Promise<ServiceData> {
  const job = JSON.stringify(service);
  const metric = 'http_server_request_duration_seconds';
  const one = async (query: string): Promise<Series | undefined> => (await rangeQuery(query, range))[0];
  const [rate, errors, found, ...latency] = await Promise.all([
    one(`sum(rate(${metric}_count{job=${job}}[1m]))`),
    one(`sum(rate(${metric}_count{job=${job},http_response_status_code=~"5.."}[1m]))`),
    exemplars(`${metric}_bucket{job=${job}}`, range),
    ...quantiles.map(phi =>
      one(`histogram_quantile(${phi}, sum by (le) (rate(${metric}_bucket{job=${job}}[1m])))`),
    ),
  ]);
  return { rate, errors, quantiles: latency, exemplars: found };
}

export function ServicePage({ service, range }: { service: string; range: Range }): ComponentChild {
  const loaded = useLoaded(() => loadService(service, range), [service, range]);
  return (
    <>
      <h1>
        <i class="dot" style={{ background: serviceColour(service) }} />
        {service}
      </h1>
      <Show of={loaded}>
        {data =>
          data.rate === undefined ? (
            <p class="empty">
              This service has sent no HTTP server metrics in this time; its traces are below.
            </p>
          ) : (
            <Plots data={data} range={range} />
          )
        }
      </Show>
      <TraceLists query={`{resource.service.name=${JSON.stringify(service)}}`} range={range} />
    </>
  );
}

function Plots({ data, range }: { data: ServiceData; range: Range }): ComponentChild {
  const rate = useMemo(() => [{ name: 'requests', colour: '--plot-1', series: data.rate }], [data]);
  const errors = useMemo(() => [{ name: 'errors', colour: '--bad', series: data.errors }], [data]);
  const latency = useMemo(
    () =>
      quantiles.map((phi, i) => ({ name: `p${phi * 100}`, colour: colours[i]!, series: data.quantiles[i] })),
    [data],
  );
  return (
    <div class="plots">
      <Plot title="Rate" range={range} lines={rate} format={formatRate} />
      <Plot title="Errors" range={range} lines={errors} format={formatRate} />
      <Plot
        title="Latency"
        range={range}
        lines={latency}
        format={seconds => formatDuration(seconds * 1000)}
        exemplars={data.exemplars}
        logarithmic
      />
    </div>
  );
}
