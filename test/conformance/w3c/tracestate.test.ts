// W3C Trace Context, the tracestate header: what of it is handed on, in which order, and what discards it.
import assert from 'node:assert/strict';
import { rule } from '../rule.ts';
import { Exchange, unsampled } from './exchange.ts';
import type { Header } from './relay.ts';

const exchange = new Exchange();
const state = (value: string): Header => ['tracestate', value];

const page = 'trace-context/tracestate';
const header = `${page} § Tracestate header`;
const headerName = `${page} § Header name`;
const fieldValues = `${page} § tracestate header field values`;
const list = `${page} § list`;
const key = `${page} § Key`;
const value = `${page} § Value`;

/** Each of these discards the tracestate, with the member that is well-formed, and leaves the trace alone. */
async function discarded(...values: readonly string[]): Promise<void> {
  for (const bad of values) {
    assert.equal(await exchange.tracestate(state(bad)), '', bad);
    assert.equal(await exchange.tracestate(state('good=1'), state(bad)), '', `good=1, then ${bad}`);
  }
}

rule(header, 'a tracestate without a traceparent is nothing', async () => {
  await exchange.restarts(state('foo=1'));
  await exchange.restarts(state('foo=1,bar=2'));
});

rule(header, 'a tracestate beside a traceparent is handed on', async () => {
  assert.equal(await exchange.tracestate(state('foo=1,bar=2')), 'foo=1,bar=2');
});

rule(headerName, 'a name with a delimiter is another header', async () => {
  for (const name of ['trace-state', 'trace.state', 'trace_state'])
    assert.equal(await exchange.tracestate([name, 'foo=1']), '');
});

rule(headerName, 'the name is known in any case, and sent in lowercase', async () => {
  for (const name of ['TraceState', 'tRaCeStAtE', 'TRACESTATE'])
    assert.equal(await exchange.tracestate([name, 'foo=1']), 'foo=1');
});

rule(fieldValues, 'an empty header is accepted, and not sent', async () => {
  assert.equal(await exchange.tracestate(state('')), '');
  assert.equal(await exchange.tracestate(state('foo=1'), state('')), 'foo=1');
  assert.equal(await exchange.tracestate(state(''), state('foo=1')), 'foo=1');
});

rule(fieldValues, 'several headers are one list, in their order', async () => {
  const sent = [state('foo=1,bar=2'), state('rojo=1,congo=2'), state('baz=3')];
  assert.equal(await exchange.tracestate(...sent), 'foo=1,bar=2,rojo=1,congo=2,baz=3');
});

rule(
  `${page} § Combined header value`,
  'of a key that comes twice the first entry is handed on',
  async () => {
    for (const sent of [
      [state('foo=1,foo=1')],
      [state('foo=1,foo=2')],
      [state('foo=1'), state('foo=1')],
      [state('foo=1'), state('foo=2')],
    ])
      assert.equal(await exchange.tracestate(...sent), 'foo=1');
    assert.equal(await exchange.tracestate(state('foo=1,bar=2,foo=3')), 'foo=1,bar=2');
  },
);

rule(fieldValues, 'every character that is allowed passes unchanged', async () => {
  const printable = String.fromCharCode(...Array.from({ length: 0x5f }, (_, i) => 0x20 + i));
  const values = printable.replace(/[,=]/g, '');
  for (const keys of ['abcdefghijklmnopqrstuvwxyz0123456789_-*/', '0@a-z_-*/'])
    assert.equal(await exchange.tracestate(state(`${keys}=${values}`)), `${keys}=${values}`);
});

rule(fieldValues, 'white space around members is no part of them', async () => {
  assert.equal(await exchange.tracestate(state('foo=1 \t , \t bar=2, \t baz=3')), 'foo=1,bar=2,baz=3');
  assert.equal(await exchange.tracestate(state('foo=1\t \t,\t \tbar=2,\t \tbaz=3')), 'foo=1,bar=2,baz=3');
  for (const padded of [' foo=1', '\tfoo=1', 'foo=1 ', 'foo=1\t', '\t foo=1 \t'])
    assert.equal(await exchange.tracestate(state(padded)), 'foo=1');
});

rule(key, 'a key of other characters discards the list', async () => {
  await discarded('foo =1', 'FOO=1', 'foo.bar=1', 'föö=1', '=1');
});

rule(key, 'a key begins with a lowercase letter or a digit', async () => {
  await discarded('@foo=1', '_foo=1', '-foo=1', '*foo=1', '/foo=1');
  assert.equal(await exchange.tracestate(state('0foo=1,tenant@vendor=2')), '0foo=1,tenant@vendor=2');
});

rule(list, '32 members are handed on, and with a 33rd there is no list', async () => {
  const members = Array.from({ length: 33 }, (_, i) => `bar${i}=${i}`);
  const sent = (count: number): Header[] => [
    state(members.slice(0, 10).join(',')),
    state(members.slice(10, 20).join(',')),
    state(members.slice(20, count).join(',')),
  ];
  assert.equal(await exchange.tracestate(...sent(32)), members.slice(0, 32).join(','));
  assert.equal(await exchange.tracestate(...sent(33)), '');
});

rule(key, 'a key has at most 256 characters', async () => {
  const longest = `${'z'.repeat(256)}=1`;
  assert.equal(await exchange.tracestate(state('foo=1'), state(longest)), `foo=1,${longest}`);
  assert.equal(await exchange.tracestate(state('foo=1'), state(`z${longest}`)), '');
  const tenant = `${'t'.repeat(241)}@${'v'.repeat(14)}=1`;
  assert.equal(await exchange.tracestate(state('foo=1'), state(tenant)), `foo=1,${tenant}`);
});

rule(value, 'a value with an equals sign, or none at all, discards the list', async () => {
  await discarded('foo=bar=baz', 'foo=,bar=3', 'foo=', 'foo');
  assert.equal(await exchange.tracestate(state(`foo=${'x'.repeat(256)}`)), `foo=${'x'.repeat(256)}`);
  await discarded(`foo=${'x'.repeat(257)}`);
});

rule(
  `${page} § Mutating the tracestate field`,
  'what the application does not know stays in its order',
  async () => {
    for (const { flags, tracestate } of await exchange.continues(
      [unsampled[0], unsampled[1].replace(/00$/, '01')],
      state('zeta=1,alpha=2,ot=th:0,beta=3'),
    )) {
      assert.equal(flags & 1, 1);
      assert.deepEqual(
        tracestate.filter(([name]) => name !== 'ot').map(([name]) => name),
        ['zeta', 'alpha', 'beta'],
      );
    }
  },
);
