// traceparent, tracestate and baggage from anybody: ignored when they are malformed, and what was taken is taken again.
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT } from '@opentelemetry/api';
import fc from 'fast-check';
import { Propagator } from '../../../../src/context/propagator.ts';
import { bytesOf, type Decoder, holds } from '../decoder.ts';

const names = ['traceparent', 'tracestate', 'baggage'] as const;
const propagator = new Propagator({ labels: ['tenant', '__proto__'] });

/** A header in each line. */
function carrierOf(input: Uint8Array): Record<string, string> {
  const lines = Buffer.from(input).toString('latin1').split('\n');
  return Object.fromEntries(
    names.flatMap((name, at) => (lines[at] === undefined ? [] : [[name, lines[at]]])),
  );
}

function written(carrier: Record<string, string>): Record<string, string> {
  const headers: Record<string, string> = {};
  propagator.inject(
    propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter),
    headers,
    defaultTextMapSetter,
  );
  return headers;
}

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const joined = (...lines: readonly string[]): Uint8Array => Buffer.from(lines.join('\n'), 'latin1');
const member = fc.tuple(fc.string({ minLength: 1 }), fc.string()).map(parts => parts.join('='));
const members = fc.array(member, { maxLength: 70 }).map(all => all.join(','));

export const decoder: Decoder = {
  seeds: [joined(parent, 'a=1,b@c=2', 'tenant=blue,k=%C3%A9;meta'), joined(parent)],
  words: bytesOf(
    '\n',
    ',',
    '=',
    ';',
    '%',
    '%ff',
    '%E2%82',
    '-',
    '00-',
    'ff-',
    '0'.repeat(32),
    '__proto__=1',
    'x'.repeat(300),
    'a=b,'.repeat(70),
  ),
  inputs: fc
    .tuple(fc.constantFrom(parent, '', `${parent}-more`), members, members)
    .map(lines => joined(...lines)),
  read(input) {
    const once = written(carrierOf(input));
    const again = written(once);
    holds(
      JSON.stringify(again) === JSON.stringify(once),
      `${JSON.stringify(once)} becomes ${JSON.stringify(again)}`,
    );
    holds(
      (once.baggage ?? '').length <= 8192 && (once.tracestate ?? '').length <= 512,
      'headers without bounds',
    );
    holds(!Object.hasOwn(Object.prototype, 'tenant'), 'labels on Object.prototype');
    return once.traceparent === undefined ? 'refused' : 'read';
  },
};
