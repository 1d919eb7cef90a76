// W3C Trace Context, several calls of one request: one trace, a parent-id for each call, flags that are handed on.
import assert from 'node:assert/strict';
import { rule } from '../rule.ts';
import { Exchange, PARENT, TRACE } from './exchange.ts';
import type { Arrival } from './relay.ts';

const exchange = new Exchange();
const CALLS = 4;
const different = (arrivals: readonly Arrival[], member: 'traceId' | 'parentId'): number =>
  new Set(arrivals.map(arrival => arrival[member])).size;

const page = 'trace-context/propagation';
const mutation = `${page} § Mutating the traceparent field`;

rule(mutation, 'all calls continue the trace that came in, each under a parent-id of its own', async () => {
  const arrivals = await exchange.send([['traceparent', `00-${TRACE}-${PARENT}-01`]], CALLS);
  assert.equal(different(arrivals, 'parentId'), CALLS);
  for (const { traceId, parentId, flags } of arrivals) {
    assert.deepEqual([traceId, flags], [TRACE, 1]);
    assert.notEqual(parentId, PARENT);
  }
});

rule(mutation, 'without a traceparent all calls belong to one new trace', async () => {
  const arrivals = await exchange.send([], CALLS);
  assert.deepEqual([different(arrivals, 'traceId'), different(arrivals, 'parentId')], [1, CALLS]);
});

rule(mutation, 'with an invalid one, too', async () => {
  const invalid = `00-${'0'.repeat(32)}-${PARENT}-01`;
  const arrivals = await exchange.send([['traceparent', invalid]], CALLS);
  assert.deepEqual([different(arrivals, 'traceId'), different(arrivals, 'parentId')], [1, CALLS]);
  const again = await exchange.send([['traceparent', invalid]], 1);
  assert.notEqual(again[0]!.traceId, arrivals[0]!.traceId);
});

rule(
  `${page} § Random trace ID flag`,
  'the random flag goes on with its trace, and flags unknown do not',
  async () => {
    const flagsAfter = async (flags: string): Promise<number[]> =>
      (await exchange.continues(['traceparent', `00-${TRACE}-${PARENT}-${flags}`])).map(
        arrival => arrival.flags,
      );
    assert.deepEqual(await flagsAfter('02'), [2, 2]);
    assert.deepEqual(await flagsAfter('03'), [3, 3]);
    assert.deepEqual(await flagsAfter('00'), [0, 0]);
    assert.deepEqual(await flagsAfter('fc'), [0, 0]);
    for (const { flags } of await exchange.restarts()) assert.equal(flags & 2, 2);
  },
);
