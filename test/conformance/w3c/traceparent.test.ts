// W3C Trace Context, the traceparent header: what of it continues a trace, and what begins a new one.
import assert from 'node:assert/strict';
import { rule } from '../rule.ts';
import { Exchange, PARENT, TRACE } from './exchange.ts';

const exchange = new Exchange();
const zeros = (count: number): string => '0'.repeat(count);

const page = 'trace-context/traceparent';
const relationship = `${page} § Relationship between the headers`;
const headerName = `${page} § Header name`;
const version = `${page} § version`;
const versioning = `${page} § Versioning of traceparent`;
const traceId = `${page} § trace-id`;
const parentId = `${page} § parent-id`;
const traceFlags = `${page} § trace-flags`;

rule(relationship, 'a request without either header begins a trace', async () => {
  await exchange.restarts();
});

rule(relationship, 'a traceparent alone is continued under a parent-id of our own', async () => {
  for (const { tracestate } of await exchange.continues(['traceparent', `00-${TRACE}-${PARENT}-01`]))
    assert.deepEqual(tracestate, []);
});

rule(relationship, 'two traceparent headers are none', async () => {
  await exchange.restarts(
    ['traceparent', `00-${TRACE}-${PARENT}-01`],
    ['traceparent', `00-${TRACE.replace('5', '6')}-${PARENT}-01`],
  );
});

rule(headerName, 'a name with a delimiter is another header', async () => {
  for (const name of ['trace-parent', 'trace.parent', 'trace_parent'])
    await exchange.restarts([name, `00-${TRACE}-${PARENT}-01`]);
});

rule(headerName, 'the name is known in any case, and sent in lowercase', async () => {
  for (const name of ['TraceParent', 'tRaCePaReNt', 'TRACEPARENT'])
    await exchange.continues([name, `00-${TRACE}-${PARENT}-01`]);
});

rule(version, 'version 00 ends with its flags', async () => {
  await exchange.restartsAt(
    `00-${TRACE}-${PARENT}-01.`,
    `00-${TRACE}-${PARENT}-01-`,
    `00-${TRACE}-${PARENT}-01-more`,
  );
});

rule(versioning, 'a version to come is read as far as it is known', async () => {
  await exchange.continues(['traceparent', `cc-${TRACE}-${PARENT}-01`]);
  await exchange.continues(['traceparent', `cc-${TRACE}-${PARENT}-01-what-else-there-may-be`]);
  await exchange.restartsAt(`cc-${TRACE}-${PARENT}-01.what-else-there-may-be`, `cc-${TRACE}-${PARENT}-012`);
});

rule(version, 'version ff is forbidden', async () => {
  await exchange.restartsAt(`ff-${TRACE}-${PARENT}-01`, `ff-${TRACE}-${PARENT}-01-more`);
});

rule(version, 'a version of other characters than lowercase hexadecimal digits is invalid', async () => {
  for (const bad of ['.0', '0.', 'g0', 'CC', '0x']) await exchange.restartsAt(`${bad}-${TRACE}-${PARENT}-01`);
});

rule(version, 'a version of more than two digits is invalid', async () => {
  for (const bad of ['000', '0000', 'ccc']) await exchange.restartsAt(`${bad}-${TRACE}-${PARENT}-01`);
});

rule(version, 'a version of one digit, or none, is invalid', async () => {
  for (const bad of ['0', '', 'c']) await exchange.restartsAt(`${bad}-${TRACE}-${PARENT}-01`);
});

rule(traceId, 'a trace-id of zeros is invalid', async () => {
  await exchange.restartsAt(`00-${zeros(32)}-${PARENT}-01`, `cc-${zeros(32)}-${PARENT}-01`);
});

rule(traceId, 'a trace-id of other characters than lowercase hexadecimal digits is invalid', async () => {
  for (const bad of [`.${TRACE.slice(1)}`, `${TRACE.slice(1)}.`, TRACE.toUpperCase(), `g${TRACE.slice(1)}`])
    await exchange.restartsAt(`00-${bad}-${PARENT}-01`);
});

rule(traceId, 'a trace-id of more than 32 digits is invalid, and not cut', async () => {
  for (const bad of [`${TRACE}0`, `0${TRACE}`]) await exchange.restartsAt(`00-${bad}-${PARENT}-01`);
});

rule(traceId, 'a trace-id of fewer than 32 digits is invalid, and not filled up', async () => {
  for (const bad of [TRACE.slice(1), TRACE.slice(0, 16), ''])
    for (const { traceId: found } of await exchange.restarts(['traceparent', `00-${bad}-${PARENT}-01`]))
      assert.ok(bad === '' || !found.includes(bad));
});

rule(parentId, 'a parent-id of zeros makes the whole traceparent invalid', async () => {
  await exchange.restartsAt(`00-${TRACE}-${zeros(16)}-01`);
});

rule(parentId, 'a parent-id of other characters than lowercase hexadecimal digits is invalid', async () => {
  for (const bad of [`.${PARENT.slice(1)}`, `${PARENT.slice(1)}.`, PARENT.toUpperCase()])
    await exchange.restartsAt(`00-${TRACE}-${bad}-01`);
});

rule(parentId, 'a parent-id of more than 16 digits is invalid', async () => {
  await exchange.restartsAt(`00-${TRACE}-${PARENT}0-01`, `00-${TRACE}-0${PARENT}-01`);
});

rule(parentId, 'a parent-id of fewer than 16 digits is invalid', async () => {
  await exchange.restartsAt(`00-${TRACE}-${PARENT.slice(1)}-01`, `00-${TRACE}--01`);
});

rule(traceFlags, 'flags of other characters than lowercase hexadecimal digits are invalid', async () => {
  for (const bad of ['.0', '0.', '0A', 'zz']) await exchange.restartsAt(`00-${TRACE}-${PARENT}-${bad}`);
});

rule(traceFlags, 'flags of more than two digits are invalid', async () => {
  await exchange.restartsAt(`00-${TRACE}-${PARENT}-001`, `00-${TRACE}-${PARENT}-010`);
});

rule(traceFlags, 'flags of one digit, or none, are invalid', async () => {
  await exchange.restartsAt(`00-${TRACE}-${PARENT}-1`, `00-${TRACE}-${PARENT}-`, `00-${TRACE}-${PARENT}`);
});

rule(
  `${page} § traceparent header field values`,
  'white space around the value is no part of it',
  async () => {
    const value = `00-${TRACE}-${PARENT}-01`;
    for (const padded of [` ${value}`, `\t${value}`, `${value} `, `${value}\t`, `\t ${value} \t`])
      await exchange.continues(['traceparent', padded]);
  },
);
