// Messages that come again and again: which of them are let through.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { diag } from '@opentelemetry/api';
import { MessageLimit, warnSeldom } from '../../src/context/message-limit.ts';

const MINUTE_MS = 60_000;

describe('a message', () => {
  it('passes, and passes again when a minute is over, not before', () => {
    let now = 5;
    const limit = new MessageLimit(() => now);
    assert.equal(limit.pass('a'), 'a');
    now = 5 + MINUTE_MS - 1;
    assert.equal(limit.pass('a'), undefined);
    assert.equal(limit.pass('b'), 'b');
    now = 5 + MINUTE_MS;
    assert.equal(limit.pass('a'), 'a (and 1 more like this)');
    now = 5 + 2 * MINUTE_MS;
    assert.equal(limit.pass('a'), 'a');
  });

  it('is remembered among 200, and forgotten for the next one', () => {
    const limit = new MessageLimit(() => 0);
    for (let i = 0; i < 200; i++) assert.equal(limit.pass(`${i}`), `${i}`);
    assert.equal(limit.pass('0'), undefined);
    assert.equal(limit.pass('200'), '200');
    assert.equal(limit.pass('1'), undefined);
    assert.equal(limit.pass('0'), '0');
  });

  it('of the agent reaches whoever listens to diag, once, with what else it says', () => {
    const given: unknown[][] = [];
    const ignore = (): void => {};
    const logger = { error: ignore, info: ignore, debug: ignore, verbose: ignore };
    diag.setLogger(
      { ...logger, warn: (...args) => void given.push(args) },
      { suppressOverrideMessage: true },
    );
    const reason = new Error('why');
    for (let i = 0; i < 3; i++) warnSeldom('something is odd', reason);
    diag.disable();
    assert.deepEqual(given, [['something is odd', reason]]);
  });
});
