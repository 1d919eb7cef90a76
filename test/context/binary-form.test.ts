// The binary form brings back what was put in, and refuses everything else.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { propagation } from '@opentelemetry/api';
import fc from 'fast-check';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { TraceState } from '../../src/context/tracestate.ts';

const root = ObservabilityContext.root;
const full = root
  .withIdentity(SpanIdentity.root(3, TraceState.parse('ot=th:8,a=b')))
  .withBaggage(propagation.createBaggage({ user: { value: 'é,;=' } }))
  .withLabels({ tenant: 'acme', retries: 2.5, dry: true, wet: false, empty: '' });

function summary(context: ObservabilityContext | undefined) {
  if (context === undefined) return undefined;
  const { identity, baggage, labels } = context;
  const state = identity?.traceState?.serialize();
  const entries = baggage?.getAllEntries().map(([key, entry]) => [key, entry.value]);
  return { identity: identity?.toJSON(), state, entries, keys: labels.keys, values: labels.values };
}

describe('the binary form', () => {
  it('brings back IDs, flags, tracestate, baggage and labels', () => {
    const back = ObservabilityContext.fromBinary(full.toBinary());
    const expected = summary(full)!;
    assert.deepEqual(summary(back), { ...expected, identity: { ...expected.identity, isRemote: true } });
  });

  it('brings back a context that is empty, and any labels', () => {
    assert.equal(root.toBinary().length, 31);
    assert.deepEqual(summary(ObservabilityContext.fromBinary(root.toBinary())), summary(root));
    const label = fc.oneof(fc.string(), fc.double(), fc.boolean());
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1, unit: 'grapheme' }), label, { maxKeys: 32 }),
        labels => {
          const context = root.withLabels(labels);
          assert.deepEqual(summary(ObservabilityContext.fromBinary(context.toBinary())), summary(context));
        },
      ),
    );
  });

  it('is refused when it is cut anywhere or has something left over', () => {
    const bytes = full.toBinary();
    for (let length = 0; length < bytes.length; length++)
      assert.equal(ObservabilityContext.fromBinary(bytes.subarray(0, length)), undefined, `${length} bytes`);
    assert.equal(ObservabilityContext.fromBinary(Buffer.concat([bytes, Buffer.alloc(1)])), undefined);
  });

  it('is refused in another version, with too many labels, or with a label of unknown type', () => {
    const bytes = root.withLabels({ a: true }).toBinary();
    assert.ok(ObservabilityContext.fromBinary(bytes));
    const changed = (at: number, value: number) =>
      ObservabilityContext.fromBinary(Uint8Array.from(bytes).fill(value, at, at + 1));
    assert.equal(changed(0, 2), undefined);
    assert.equal(changed(30, 33), undefined);
    assert.equal(changed(bytes.length - 1, 4), undefined);
  });

  it('never throws, whatever the bytes', () => {
    const bytes = full.toBinary();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), noise => {
        ObservabilityContext.fromBinary(noise);
        ObservabilityContext.fromBinary(Uint8Array.of(1, ...noise));
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const back = ObservabilityContext.fromBinary(Uint8Array.from(bytes).fill(value, at, at + 1));
        assert.ok(back === undefined || back.labels.count <= 32);
      }),
      { numRuns: 2000 },
    );
    assert.equal(ObservabilityContext.fromBinary(undefined as never), undefined);
    assert.equal(ObservabilityContext.fromBinary('text' as never), undefined);
  });
});
