// Workload: the same counter or histogram of prom-client, read once at the end as a scrape would.
import { Counter, Histogram, register } from 'prom-client';
import { atOnce } from '../pace.ts';
import { report, say, settings } from '../parent.ts';
import { perOperation, UsageMeter } from '../usage.ts';
import type { MetricSettings } from './metric-maker.ts';
import { boundaries, measurement, SERIES_MASK, series } from './series.ts';

const { instrument, warmUp, operations } = settings<MetricSettings<'prom-client'>>();
const labelNames = ['method', 'route'] as const;

function counting(): (number: number) => void {
  const counter = new Counter({ name: 'bench_requests_total', help: 'Requests.', labelNames });
  return number => {
    const { method, route } = series[number & SERIES_MASK]!;
    counter.inc({ method, route }, 1);
  };
}

function recording(): (number: number) => void {
  const histogram = new Histogram({
    name: 'bench_duration_milliseconds',
    help: 'Durations.',
    labelNames,
    buckets: boundaries,
  });
  return number => {
    const { method, route } = series[number & SERIES_MASK]!;
    histogram.observe({ method, route }, measurement(number));
  };
}

const operation = instrument === 'counter' ? counting() : recording();

await atOnce(warmUp, operation);
await register.metrics();
const meter = new UsageMeter();
await atOnce(operations, operation);
const exposition = await register.metrics();
const usage = await meter.stop();
say('exposition', exposition);
report(perOperation(usage, operations));
