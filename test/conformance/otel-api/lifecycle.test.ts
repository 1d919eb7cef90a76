// The tracer provider of OpenTelemetry from its start to its shutdown, and tracing without one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { start } from '../../../src/index.ts';
import { rule } from '../rule.ts';
import { contextOf, parentContext } from './recorder.ts';
import { arrivedFrom } from './running-agent.ts';

const shutdown = 'trace/sdk § Shutdown';
const forceFlush = 'trace/sdk § ForceFlush';

rule(shutdown, 'it sends what has ended, and says that it has', async () => {
  let delivered: Promise<boolean> | undefined;
  const { spans } = await arrivedFrom(agent => {
    trace.getTracer('t').startSpan('last').end();
    delivered = agent.shutdown();
  });
  assert.deepEqual([spans.map(({ name }) => name), await delivered], [['last'], true]);
});

rule(shutdown, 'a second call does nothing but wait for the first', async () => {
  await arrivedFrom(async agent => {
    const first = agent.shutdown();
    assert.equal(await agent.shutdown(), await first);
  });
});

rule(shutdown, 'tracers that are asked for afterwards do nothing', async () => {
  const { spans } = await arrivedFrom(async agent => {
    const before = trace.getTracer('before');
    await agent.shutdown();
    const after = trace.getTracer('after').startSpan('late');
    assert.equal(after.isRecording(), false);
    after.end();
    before.startSpan('late').end();
  });
  assert.deepEqual(spans, []);
});

rule(shutdown, 'after it the agent can be started again', async () => {
  for (const name of ['first', 'second']) {
    const { spans } = await arrivedFrom(() => trace.getTracer('t').startSpan(name).end());
    assert.deepEqual(
      spans.map(each => each.name),
      [name],
    );
  }
});

/** Starts an agent whose collector takes connections and never says anything. */
async function withSilentCollector(use: (agent: NonNullable<ReturnType<typeof start>>) => Promise<void>) {
  const sockets: { destroy(): void }[] = [];
  const server = createServer(socket => {
    sockets.push(socket.on('error', () => {}));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = start({ endpoint: `http://127.0.0.1:${port}`, metricsExporter: 'none', flushTimeout: 100 });
  try {
    await use(agent!);
  } finally {
    await agent!.shutdown();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

rule(shutdown, 'it gives up after some time, and says so', () =>
  withSilentCollector(async agent => {
    trace.getTracer('t').startSpan('undeliverable').end();
    assert.equal(await agent.shutdown(), false);
  }),
);

rule(forceFlush, 'it sends what has ended so far, and says that it has', async () => {
  let delivered = 0;
  await arrivedFrom(async agent => {
    trace.getTracer('t').startSpan('flushed').end();
    assert.equal(await agent.flush(), true);
    delivered = agent.stats().signals.traces.delivered;
  });
  assert.equal(delivered, 1);
});

rule(forceFlush, 'it gives up after some time, and says so', () =>
  withSilentCollector(async agent => {
    trace.getTracer('t').startSpan('undeliverable').end();
    assert.equal(await agent.flush(), false);
  }),
);

const absence = 'trace/api § Behavior of the API in the absence of an installed SDK';

rule(absence, 'a span hands on the context of its parent', () => {
  const span = trace.getTracer('t').startSpan('x', {}, contextOf());
  assert.deepEqual([span.isRecording(), span.spanContext()], [false, parentContext]);
});

rule(absence, 'a span without a parent has an empty context', () => {
  const { traceId, spanId, traceFlags, traceState } = trace.getTracer('t').startSpan('x').spanContext();
  assert.deepEqual([traceId, spanId, traceFlags], ['0'.repeat(32), '0'.repeat(16), 0]);
  assert.equal(traceState, undefined);
  propagation.inject(ROOT_CONTEXT, {});
});
