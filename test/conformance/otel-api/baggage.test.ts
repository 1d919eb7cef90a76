// OpenTelemetry's baggage: names and values in a context, and on their way to other processes.
import assert from 'node:assert/strict';
import {
  type Baggage,
  type BaggageEntry,
  baggageEntryMetadataFromString,
  context,
  propagation,
  ROOT_CONTEXT,
} from '@opentelemetry/api';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { ObservabilityContext } from '../../../src/context/observability-context.ts';
import { Propagator } from '../../../src/context/propagator.ts';
import { rule } from '../rule.ts';

context.setGlobalContextManager(new ContextManager());
propagation.setGlobalPropagator(new Propagator());

/** As the agent makes it of a header. */
const received = (baggage: string): Baggage | undefined =>
  propagation.getBaggage(propagation.extract(ROOT_CONTEXT, { baggage }));

function sent(baggage: Baggage): string | undefined {
  const carrier: { baggage?: string } = {};
  propagation.inject(propagation.setBaggage(ObservabilityContext.root, baggage), carrier);
  return carrier.baggage;
}

const values = (baggage: Baggage | undefined): Record<string, string> =>
  Object.fromEntries(baggage?.getAllEntries().map(([name, { value }]) => [name, value]) ?? []);

const overview = 'baggage/api § Overview';
/** The API's own, and the agent's. */
const kinds = (): Baggage[] => [propagation.createBaggage({ a: { value: '1' } }), received('a=1')!];

rule(overview, 'a name has one value', () => {
  for (const baggage of kinds())
    assert.deepEqual(values(baggage.setEntry('a', { value: '2' }).setEntry('b', { value: '3' })), {
      a: '2',
      b: '3',
    });
  assert.deepEqual(values(received('a=1,a=2')), { a: '2' });
});

rule(overview, 'any text is a name, and any text is a value that comes back as it was', () => {
  for (const baggage of kinds())
    for (const text of ['B% 💼', 'ключ', 'with space', '=,;', '\t', 'ünï']) {
      const changed = baggage.setEntry(text, { value: text });
      assert.equal(changed.getEntry(text)?.value, text);
    }
});

rule(overview, 'names and values are case-sensitive', () => {
  for (const baggage of kinds()) {
    const changed = baggage.setEntry('a', { value: 'x' }).setEntry('A', { value: 'X' });
    assert.deepEqual([changed.getEntry('a')?.value, changed.getEntry('A')?.value], ['x', 'X']);
  }
  assert.deepEqual(values(received('a=x,A=X')), { a: 'x', A: 'X' });
});

rule(overview, 'it is immutable', () => {
  for (const baggage of kinds()) {
    baggage.setEntry('b', { value: '2' });
    baggage.removeEntry('a');
    baggage.removeEntries('a');
    baggage.clear();
    assert.deepEqual(values(baggage), { a: '1' });
  }
  const baggage = received('a=1')!;
  for (const entry of [baggage.getEntry('a')!, baggage.getAllEntries()[0]![1]]) entry.value = 'changed';
  const given: BaggageEntry = { value: '2' };
  const changed = baggage.setEntry('b', given);
  given.value = 'changed';
  assert.deepEqual([values(baggage), values(changed)], [{ a: '1' }, { a: '1', b: '2' }]);
});

rule('baggage/api § Get Value', 'a name that is not there has no value', () => {
  for (const baggage of kinds()) {
    assert.equal(baggage.getEntry('a')?.value, '1');
    assert.equal(baggage.getEntry('b'), undefined);
  }
});

rule('baggage/api § Get All Values', 'all names come with their values', () => {
  assert.deepEqual(values(received('a=1,b=2,c=3')), { a: '1', b: '2', c: '3' });
});

rule('baggage/api § Set Value', 'setting gives a new baggage with the value, and with metadata', () => {
  for (const baggage of kinds()) {
    const metadata = baggageEntryMetadataFromString('p;q=1');
    const changed = baggage.setEntry('b', { value: '2', metadata });
    assert.equal(changed.getEntry('b')?.metadata?.toString(), 'p;q=1');
    assert.deepEqual(values(changed), { a: '1', b: '2' });
  }
});

rule('baggage/api § Remove Value', 'removing gives a new baggage without the name', () => {
  for (const baggage of kinds()) {
    assert.deepEqual(values(baggage.removeEntry('a')), {});
    assert.deepEqual(values(baggage.removeEntry('b')), { a: '1' });
  }
});

const interaction = 'baggage/api § Context Interaction';

rule(interaction, 'it is put into a context, and found in it', () => {
  for (const baggage of kinds()) {
    const derived = propagation.setBaggage(ObservabilityContext.root, baggage);
    assert.equal(propagation.getBaggage(derived), baggage);
    assert.equal(propagation.getBaggage(ObservabilityContext.root), undefined);
  }
});

rule(interaction, 'the active one is that of the active context', () => {
  const [baggage] = kinds();
  context.with(propagation.setBaggage(context.active(), baggage!), () =>
    assert.equal(propagation.getActiveBaggage(), baggage),
  );
  assert.equal(propagation.getActiveBaggage(), undefined);
});

rule('baggage/api § Clear Baggage in the Context', 'a context can be left without any', () => {
  const full = propagation.setBaggage(ObservabilityContext.root, kinds()[0]!);
  const empty = propagation.deleteBaggage(full);
  const carrier = {};
  propagation.inject(empty, carrier);
  assert.deepEqual([propagation.getBaggage(empty), carrier], [undefined, {}]);
});

const w3c = 'baggage/api § Propagation';

rule(w3c, 'W3C’s header carries names, values and metadata to the next process', () => {
  const metadata = baggageEntryMetadataFromString('ttl=1;private');
  const header = sent(
    propagation.createBaggage({ userId: { value: 'alice' }, node: { value: 'DF 28', metadata } }),
  );
  assert.equal(header, 'userId=alice,node=DF%2028;ttl=1;private');
  assert.deepEqual(values(received(header)), { userId: 'alice', node: 'DF 28' });
  assert.equal(received(header)?.getEntry('node')?.metadata?.toString(), 'ttl=1;private');
});

rule(w3c, 'all metadata of an entry is one', () => {
  const metadata = received('a=1; p1 ; p2=v ;p3')?.getEntry('a')?.metadata?.toString();
  assert.match(metadata ?? '', /^p1 *; *p2=v *; *p3$/);
});

rule(w3c, 'every value arrives as it was sent', () => {
  for (const value of ['', ' ', 'a b', '%', '100%', '=;,"\\', 'é😀', '\u0000\r\n', 'x'.repeat(4000)])
    assert.equal(received(sent(propagation.createBaggage({ a: { value } }))!)?.getEntry('a')?.value, value);
});

rule(w3c, 'a name that is no token of HTTP is not sent, the others are', () => {
  const header = sent(
    propagation.createBaggage({ 'no token': { value: '1' }, ключ: { value: '1' }, ok: { value: '2' } }),
  );
  assert.equal(header, 'ok=2');
});

rule(w3c, '64 entries within 8192 bytes are propagated, both ways', () => {
  const list = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `key${i}=${'v'.repeat(110)}`);
  const header = list(64).join(',');
  assert.ok(header.length <= 8192);
  assert.equal(received(header)!.getAllEntries().length, 64);
  assert.equal(sent(received(header)!), header);
  const whole = `a=${'x'.repeat(8190)}`;
  assert.equal(sent(received(whole)!), whole);
});

rule(w3c, 'beyond that whole entries are left out', () => {
  const long = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`key${i}`, { value: 'v'.repeat(200) }]),
  );
  const header = sent(propagation.createBaggage(long))!;
  assert.ok(header.length <= 8192);
  for (const member of header.split(',')) assert.match(member, /^key\d+=v{200}$/);
});

rule(w3c, 'an entry that is malformed costs itself alone', () => {
  assert.equal(sent(propagation.createBaggage({ a: undefined as never, b: { value: '2' } })), 'b=2');
  assert.deepEqual(values(received('a=1,b,=c,d d=1,,e=2')), { a: '1', e: '2' });
});

rule(
  'baggage/api § Conflict Resolution',
  'the value that was added last counts, wherever it comes from',
  () => {
    const arrived = propagation.extract(ROOT_CONTEXT, { baggage: 'a=theirs,b=theirs' });
    const changed = propagation.getBaggage(arrived)!.setEntry('a', { value: 'ours' });
    assert.deepEqual(values(changed), { a: 'ours', b: 'theirs' });
  },
);
