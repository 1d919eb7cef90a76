// The gate before the queries: how many run, how many wait, who is refused, and that no place is lost.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QueryGate, queryGateLimits } from '../../../collector/web/query-gate.ts';
import { HttpError, type WebRequest, type WebResponse } from '../../../collector/web/router.ts';

const { running_max: runningMax, waiting_max: waitingMax } = queryGateLimits;

/** A gate before one route whose queries end when they are told to. */
function slowRoute() {
  const running: PromiseWithResolvers<WebResponse>[] = [];
  const route = new QueryGate().guard({
    methods: ['GET'],
    path: '/slow',
    handler: () => {
      const query = Promise.withResolvers<WebResponse>();
      running.push(query);
      return query.promise;
    },
  });
  const ask = async (signal = new AbortController().signal): Promise<WebResponse> =>
    route.handler({ signal } as WebRequest);
  const settle = () => new Promise(resolve => setImmediate(resolve));
  return { running, ask, settle };
}

const done: WebResponse = { status: 200, body: 'done' };

describe('the gate before the queries', () => {
  it('lets so many run, so many wait, and refuses the next', async () => {
    const { running, ask, settle } = slowRoute();
    const taken = Array.from({ length: runningMax + waitingMax }, () => ask());
    await settle();
    assert.equal(running.length, runningMax);
    await assert.rejects(ask(), (error: HttpError) => error instanceof HttpError && error.status === 503);
    for (let i = 0; i < taken.length; i++) {
      running[i]!.resolve(done);
      assert.equal(await taken[i], done);
      await settle();
      assert.equal(running.length, Math.min(taken.length, runningMax + i + 1));
    }
    const next = ask();
    await settle();
    running.at(-1)!.resolve(done);
    assert.equal(await next, done);
  });

  it('gives the place of a query that failed to the next', async () => {
    const { running, ask, settle } = slowRoute();
    const failing = Array.from({ length: runningMax }, () => ask());
    const next = ask();
    await settle();
    for (const query of running.slice()) query.reject(new Error('failed'));
    for (const query of failing) await assert.rejects(query, /failed/);
    await settle();
    running.at(-1)!.resolve(done);
    assert.equal(await next, done);
  });

  it('forgets who goes away while waiting', async () => {
    const { running, ask, settle } = slowRoute();
    const first = Array.from({ length: runningMax }, () => ask());
    const client = new AbortController();
    const waiting = ask(client.signal);
    const other = ask();
    await settle();
    client.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    for (const query of running.slice()) query.resolve(done);
    await Promise.all(first);
    await settle();
    assert.equal(running.length, runningMax + 1);
    running.at(-1)!.resolve(done);
    assert.equal(await other, done);
  });
});
