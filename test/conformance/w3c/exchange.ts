// What the tests of Trace Context send, and the two outcomes that there are: a trace goes on, or a new one begins.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { type Arrival, type Header, Relay } from './relay.ts';

export const TRACE = '5b8aa5a2d2c872e8321cf37308d69df2';
export const PARENT = '051581bf3cb55c13';
/** Well-formed, and unsampled, so that what arrives is what came in. */
export const unsampled: Header = ['traceparent', `00-${TRACE}-${PARENT}-00`];

/** Starts the application for the tests of one file. */
export class Exchange {
  #relay: Relay | undefined;

  constructor() {
    before(async () => {
      this.#relay = await Relay.start();
    });
    after(() => this.#relay?.stop());
  }

  send(headers: readonly Header[], count?: number): Promise<Arrival[]> {
    return this.#relay!.send(headers, count);
  }

  /** The trace that came in goes on, under spans of the application. */
  async continues(...headers: readonly Header[]): Promise<Arrival[]> {
    const arrivals = await this.send(headers);
    for (const { traceId, parentId } of arrivals) {
      assert.equal(traceId, TRACE);
      assert.notEqual(parentId, PARENT);
    }
    return arrivals;
  }

  /** A new trace begins, and nothing of what came in is left. */
  async restarts(...headers: readonly Header[]): Promise<Arrival[]> {
    const arrivals = await this.send(headers);
    const sent = headers.map(([, value]) => value).join(' ');
    for (const { traceId, parentId, tracestate } of arrivals) {
      assert.ok(!sent.includes(traceId) && !TRACE.includes(traceId), `${traceId} for ${sent}`);
      assert.notEqual(parentId, PARENT);
      for (const [key] of tracestate) assert.equal(key, 'ot');
    }
    return arrivals;
  }

  /** Each of these values of a traceparent begins a new trace. */
  async restartsAt(...traceparents: readonly string[]): Promise<void> {
    for (const value of traceparents) await this.restarts(['traceparent', value]);
  }

  /** The tracestate that goes on beside the trace, after these headers. */
  async tracestate(...headers: readonly Header[]): Promise<string> {
    const [first, ...others] = (await this.continues(unsampled, ...headers)).map(({ tracestate }) =>
      tracestate.map(member => member.join('=')).join(','),
    );
    for (const other of others) assert.equal(other, first);
    return first!;
  }
}
