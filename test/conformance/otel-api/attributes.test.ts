// OpenTelemetry's common concepts: attributes, their values, and their limits.
import assert from 'node:assert/strict';
import { SpanStatusCode } from '@opentelemetry/api';
import type { AnyValue } from 'tricord/otlp';
import { attributesOf } from '../../decoded-records.ts';
import { notApplicable, rule } from '../rule.ts';
import { recorded, recorder } from './recorder.ts';

/** The value as it arrives. */
const arrived = (value: unknown, valueLength?: number): AnyValue =>
  attributesOf(
    recorded(
      span => span.setAttribute('key', value),
      valueLength === undefined ? {} : { limits: { valueLength } },
    ),
  ).key;

const attribute = 'common § Attribute';

rule(attribute, 'a key is a text that is not empty', () => {
  const found = recorded(span => {
    for (const key of ['', null, undefined, 7, {}]) span.setAttribute(key as string, 1);
    span.setAttributes({ '': 1, ok: 2 });
  });
  assert.deepEqual({ ...attributesOf(found) }, { ok: 2 });
});

rule(attribute, 'keys that differ in casing are different keys', () => {
  const found = recorded(span => span.setAttributes({ key: 1, Key: 2, KEY: 3 }));
  assert.deepEqual({ ...attributesOf(found) }, { key: 1, Key: 2, KEY: 3 });
});

const value = 'common § AnyValue';

rule(value, 'texts, booleans, floating-point numbers and 64-bit integers arrive as they are', () => {
  const values = [
    'text',
    'ünï 😀',
    true,
    false,
    1.5,
    -0.1,
    Number.MAX_VALUE,
    Number.POSITIVE_INFINITY,
    42,
    -42,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    2n ** 63n - 1n,
    -(2n ** 63n),
  ];
  for (const each of values) assert.equal(arrived(each), each);
  assert.ok(Number.isNaN(arrived(Number.NaN)));
});

rule(value, 'bytes arrive as they are', () => {
  assert.deepEqual([...(arrived(Uint8Array.of(0, 127, 255)) as Uint8Array)], [0, 127, 255]);
});

rule(value, 'arrays arrive as they are, whatever is in them', () => {
  for (const each of [
    ['a', 'b'],
    [1, 2.5],
    [true, false],
    ['a', 1, true, ['nested', [1]]],
  ])
    assert.deepEqual(arrived(each), each);
});

rule(value, 'maps arrive as they are, whatever is in them', () => {
  const nested = { a: 1, b: { c: ['d', { e: 'f' }], g: true } };
  assert.equal(JSON.stringify(arrived(nested)), JSON.stringify(nested));
});

rule(value, 'an empty value, zero, false and what is empty are values', () => {
  const empty = { none: null, zero: 0, no: false, text: '', list: [], map: {}, bytes: new Uint8Array() };
  const found = attributesOf(recorded(span => span.setAttributes(empty)));
  assert.deepEqual(Object.keys(found), Object.keys(empty));
  assert.deepEqual([found.none, found.zero, found.no, found.text], [undefined, 0, false, '']);
  assert.equal(JSON.stringify([found.list, found.map]), '[[],{}]');
  assert.equal((found.bytes as Uint8Array).length, 0);
});

rule(value, 'undefined is no value, as the JavaScript API says, and leaves what is there', () => {
  const found = recorded(span => span.setAttributes({ a: 1, b: undefined }).setAttribute('a', undefined));
  assert.deepEqual({ ...attributesOf(found) }, { a: 1 });
  assert.equal(found.droppedAttributesCount, 0);
});

rule(value, 'empty values in an array keep their places', () => {
  assert.deepEqual(arrived(['a', null, 'c', undefined]), ['a', undefined, 'c', undefined]);
});

notApplicable(
  value,
  'values nest as deep as they like',
  'Eight levels and 1024 values of one attribute are kept, so that an object that an application did not mean to send stays bounded.',
);

const collections = 'common § Attribute Collections';

rule(collections, 'a collection has each key once: the last value counts', () => {
  const twice = { key: 1 };
  const found = recorded(span => {
    span.setAttribute('key', 1).setAttribute('key', 2).setAttributes({ key: 3 });
    span.addEvent('e', twice).addLink({ context: span.spanContext(), attributes: twice });
  });
  for (const each of [found, ...found.events, ...found.links]) assert.equal(each.attributes.length, 1);
  assert.deepEqual({ ...attributesOf(found) }, { key: 3 });
});

const limits = 'common § Attribute Limits';

rule(limits, 'a text is cut to the length limit, and one that is as long is not', () => {
  assert.equal(arrived('123456', 5), '12345');
  assert.equal(arrived('12345', 5), '12345');
  assert.equal(arrived('', 5), '');
});

rule(limits, 'it is not cut within a character', () => {
  assert.equal(arrived('1234😀', 5), '1234');
  assert.equal(arrived('123😀', 5), '123😀');
});

rule(limits, 'each text in an array or a map is cut by itself, and keys are not', () => {
  const nested = { 'a long key': ['123456', { deep: '1234567' }, 123456789], b: '1' };
  const expected = { 'a long key': ['12345', { deep: '12345' }, 123456789], b: '1' };
  assert.equal(JSON.stringify(arrived(nested, 5)), JSON.stringify(expected));
});

rule(limits, 'bytes are cut, and nothing else is', () => {
  assert.equal((arrived(new Uint8Array(9), 5) as Uint8Array).length, 5);
  for (const each of [123456789, 1.23456789, true, 2n ** 60n]) assert.equal(arrived(each, 1), each);
});

rule(limits, 'names and descriptions are no attributes, and not cut', () => {
  const long = 'longer than that';
  const found = recorded(
    span => span.updateName(long).addEvent(long).setStatus({ code: SpanStatusCode.ERROR, message: long }),
    { limits: { valueLength: 5 } },
  );
  assert.deepEqual([found.name, found.events[0]!.name, found.statusMessage], [long, long, long]);
});

rule(limits, 'attributes beyond the count limit are discarded, and no others', () => {
  const found = recorded(
    span => {
      for (let i = 0; i < 5; i++) span.setAttribute(`k${i}`, i);
      span.setAttribute('k1', 'new');
    },
    { limits: { attributes: 3 } },
  );
  assert.deepEqual({ ...attributesOf(found) }, { k0: 0, k1: 'new', k2: 2 });
  assert.equal(found.droppedAttributesCount, 2);
});

rule(limits, 'the count limit is 128 unless another one is set', () => {
  const found = recorded(span => {
    for (let i = 0; i < 129; i++) span.setAttribute(`k${i}`, i);
  });
  assert.deepEqual([found.attributes.length, found.droppedAttributesCount], [128, 1]);
});

notApplicable(
  limits,
  'the length of values has no limit unless one is set',
  'A record has to fit into a frame of 256 KiB: texts and bytes are cut at 65,536, which is the highest limit too.',
);

notApplicable(
  limits,
  'what is nested in a collection counts as attributes of it',
  'Its values have a bound of their own: 1024 of one attribute.',
);

rule(
  'common/instrumentation-scope § Instrumentation Scope',
  'spans of one name and version have one scope',
  () => {
    const { provider, sink } = recorder();
    for (const name of ['a', 'b', 'a']) provider.getTracer(name, '1').startSpan('x').end();
    assert.deepEqual(
      sink.frames.map(({ scope }) => scope.name),
      ['a', 'b', 'a'],
    );
    assert.equal(sink.frames[0]!.scope, sink.frames[2]!.scope);
  },
);
