// Workload: a counter or a histogram of the OpenTelemetry API, with two attributes, under a sampled span.
import { metrics, trace } from '@opentelemetry/api';
import { type AgentName, startAgent } from '../agents/agent.ts';
import { atOnce } from '../pace.ts';
import { report, settings } from '../parent.ts';
import { perOperation, UsageMeter } from '../usage.ts';
import { measurement, SERIES_MASK, series } from './series.ts';

export interface MetricSettings<Agent = AgentName> {
  readonly agent: Agent;
  readonly instrument: 'counter' | 'histogram';
  readonly warmUp: number;
  readonly operations: number;
}

const { agent: name, instrument, warmUp, operations } = settings<MetricSettings>();
const agent = await startAgent(name);
const otelMeter = metrics.getMeter('bench', '1.0.0');

/** Each call makes its attributes anew, as applications do. */
function counting(): (number: number) => void {
  const counter = otelMeter.createCounter('bench.requests');
  return number => {
    const { method, route } = series[number & SERIES_MASK]!;
    counter.add(1, { 'http.request.method': method, 'http.route': route });
  };
}

function recording(): (number: number) => void {
  const histogram = otelMeter.createHistogram('bench.duration', { unit: 'ms' });
  return number => {
    const { method, route } = series[number & SERIES_MASK]!;
    histogram.record(measurement(number), { 'http.request.method': method, 'http.route': route });
  };
}

const operation = instrument === 'counter' ? counting() : recording();

await trace.getTracer('bench').startActiveSpan('bench', async span => {
  await atOnce(warmUp, operation);
  await agent.flush();
  const meter = new UsageMeter();
  await atOnce(operations, operation);
  await agent.flush();
  const usage = await meter.stop();
  span.end();
  await agent.shutdown();
  report(perOperation(usage, operations));
});
