// A bound event emitter calls its listeners in the context it was bound to, and removes them by their own names.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { ContextManager } from '../../src/context/context-manager.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';

const context = ObservabilityContext.root.withLabels({ a: 1 });
const inContext = () => ObservabilityContext.active() === context;

describe('a bound event emitter', () => {
  it('calls listeners in the context, however they were added', () => {
    const emitter = new ContextManager().bind(context, new EventEmitter());
    const seen: boolean[] = [];
    const listener = () => void seen.push(inContext());
    emitter
      .on('e', listener)
      .once('e', listener)
      .prependListener('e', listener)
      .prependOnceListener('e', listener);
    emitter.addListener('e', listener);
    emitter.emit('e');
    assert.deepEqual(seen, [true, true, true, true, true]);
    emitter.emit('e');
    assert.equal(seen.length, 8);
  });

  it('removes a listener by the function that was added', () => {
    const emitter = new ContextManager().bind(context, new EventEmitter());
    const listener = () => assert.fail('it was removed');
    emitter.on('e', listener).off('e', listener);
    emitter.once('e', listener).removeListener('e', listener);
    emitter.on('e', listener).removeAllListeners('e');
    emitter.emit('e');
    assert.equal(emitter.listenerCount('e'), 0);
  });

  it('is bound once', () => {
    const manager = new ContextManager();
    const emitter = new EventEmitter();
    manager.bind(context, emitter);
    const { on } = emitter;
    manager.bind(ObservabilityContext.root, emitter);
    assert.equal(emitter.on, on);
  });
});

describe('a bound function', () => {
  it('keeps its receiver, arguments, result and length', () => {
    const bound = new ContextManager().bind(context, function (this: number, a: number, b: number) {
      return inContext() ? this + a + b : 0;
    });
    assert.equal(bound.call(1, 2, 3), 6);
    assert.equal(bound.length, 2);
  });

  it('is the only thing besides emitters that is bound', () => {
    const target = { a: 1 };
    assert.equal(new ContextManager().bind(context, target), target);
  });
});
