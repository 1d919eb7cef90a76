// IDs are words inside and hex at the edges, and never all zero.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSpanContextValid } from '@opentelemetry/api';
import fc from 'fast-check';
import { SpanIdentity } from '../../src/context/identity.ts';

const hexText = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });

describe('SpanIdentity', () => {
  it('comes back from hex and from bytes as it was', () => {
    fc.assert(
      fc.property(hexText(32), hexText(16), fc.nat(255), (traceId, spanId, flags) => {
        const identity = SpanIdentity.fromHex(traceId, spanId, flags);
        if (/^0*$/.test(traceId) || /^0*$/.test(spanId)) return identity === undefined;
        assert.equal(identity?.traceId, traceId);
        assert.equal(identity?.spanId, spanId);
        assert.equal(identity?.traceFlags, flags);
        assert.equal(Buffer.from(identity.toBytes()).toString('hex'), traceId + spanId);
        const bytes = Buffer.concat([Buffer.from('ff', 'hex'), identity.toBytes()]);
        assert.deepEqual(SpanIdentity.fromBytes(bytes, 1, flags)?.toJSON(), identity.toJSON());
        return true;
      }),
    );
  });

  it('refuses what is not an ID', () => {
    const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    assert.ok(SpanIdentity.fromHex(traceId, spanId, 1));
    for (const [t, s] of [
      ['0'.repeat(32), spanId],
      [traceId, '0'.repeat(16)],
      [traceId.toUpperCase(), spanId],
      [traceId.slice(1), spanId],
      [`${traceId}0`, spanId],
      [traceId, `${spanId.slice(1)}g`],
      [traceId, `${spanId.slice(1)}é`],
      [undefined, spanId],
    ] as [string, string][])
      assert.equal(SpanIdentity.fromHex(t, s, 1), undefined, `${t} ${s}`);
    assert.equal(SpanIdentity.fromBytes(new Uint8Array(24), 0, 1), undefined);
    assert.equal(SpanIdentity.fromBytes(new Uint8Array(24).fill(1), 1, 1), undefined);
    assert.equal(SpanIdentity.fromBytes(new Uint8Array(24).fill(1), -1, 1), undefined);
  });

  it('is random, unique and valid across many refills of the pool', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 10_000; i++) {
      const identity = SpanIdentity.root(3);
      assert.ok(isSpanContextValid(identity));
      seen.add(identity.traceId).add(identity.spanId);
      const child = identity.child(3);
      assert.equal(child.traceId, identity.traceId);
      seen.add(child.spanId);
    }
    assert.equal(seen.size, 30_000);
  });

  it('keeps the randomness that a sampler drew', () => {
    const identity = SpanIdentity.root(3, undefined, 0x01020304, -1);
    assert.equal(identity.traceId.slice(16), '01020304ffffffff');
  });

  it('is taken over from any span context', () => {
    const plain = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
      isRemote: true,
    };
    const identity = SpanIdentity.from(plain);
    assert.deepEqual(identity?.toJSON(), plain);
    assert.equal(SpanIdentity.from(identity!), identity);
    assert.equal(SpanIdentity.from({ ...plain, spanId: '' }), undefined);
  });
});
