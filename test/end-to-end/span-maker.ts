// An application for the fault tests: makes numbered spans of one trace until it is told to stop, then says how many.
import { context, trace } from '@opentelemetry/api';
import { start } from 'tricord';

const PER_TICK = Number(process.env.SPANS_PER_TICK ?? 20);

const agent = start({ serviceName: 'span-maker', instrumentations: ['none'], flushTimeout: 20_000 })!;
const tracer = trace.getTracer('span-maker');
const parent = tracer.startSpan('parent');
const under = trace.setSpan(context.active(), parent);
let made = 0;

const timer = setInterval(() => {
  for (let i = 0; i < PER_TICK; i++)
    tracer.startSpan('numbered', { attributes: { number: made++ } }, under).end();
}, 10);

process.stdout.write(`${JSON.stringify({ msg: 'making', traceId: parent.spanContext().traceId })}\n`);

process.stdin.once('data', async () => {
  clearInterval(timer);
  parent.end();
  const flushed = await agent.flush();
  process.stdout.write(
    `${JSON.stringify({ msg: 'made', made, flushed, traces: agent.stats().signals.traces })}\n`,
  );
  process.stdin.destroy();
});
