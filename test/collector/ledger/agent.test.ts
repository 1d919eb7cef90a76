// An agent's account of its spans and the collector's ledger agree, though acknowledgements are lost and connections break.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { trace } from '@opentelemetry/api';
import { start } from 'tricord';
import { AnswerGate } from '../../end-to-end/answer-gate.ts';
import { startCollector } from '../running-collector.ts';

const PER_ROUND = 50;
const ROUNDS = 3;

it('what the agent has as delivered is what the collector has accepted', async t => {
  const collector = await startCollector();
  const gate = await AnswerGate.before(collector.endpoints['otlp.grpc']!);
  const endpoint = `http://${gate.endpoint}`;
  const agent = start({
    serviceName: 'counted',
    endpoint,
    instrumentations: ['none'],
    flushTimeout: 20_000,
  })!;
  t.after(async () => {
    gate.release();
    gate.sever();
    await agent.shutdown();
    gate.close();
    await collector.stop();
  });
  const tracer = trace.getTracer('counted');
  const make = (): void => {
    for (let span = 0; span < PER_ROUND; span++) tracer.startSpan(`span ${span}`).end();
  };
  const accepted = async (): Promise<number> => {
    const { intake } = await collector.ledger();
    return intake.find(({ signal }) => signal === 'traces')?.accepted ?? 0;
  };

  make();
  assert.equal(await agent.flush(), true);
  for (let round = 1; round <= ROUNDS; round++) {
    gate.hold();
    make();
    while ((await accepted()) < (round + 1) * PER_ROUND) await new Promise(setImmediate);
    assert.equal(agent.stats().signals.traces.pending, PER_ROUND, 'acknowledged through a gate that holds');
    gate.sever();
    gate.release();
    assert.equal(await agent.flush(), true);
  }
  const made = (ROUNDS + 1) * PER_ROUND;
  const { dropped, ...spans } = agent.stats().signals.traces;
  assert.deepEqual(spans, {
    accepted: made,
    delivered: made,
    rejected: 0,
    lost: 0,
    pending: 0,
    queued: 0,
    gap: 0,
    leftOut: 0,
  });
  assert.deepEqual(dropped, { full: 0, tooLarge: 0, closed: 0 });
  assert.equal(await accepted(), made);
});
