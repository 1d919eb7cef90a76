// W3C headers in and out: what is well-formed passes unchanged, what is not is ignored.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultTextMapGetter, defaultTextMapSetter } from '@opentelemetry/api';
import fc from 'fast-check';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import type { PropagatorOptions } from '../../src/context/propagator.ts';
import { Propagator } from '../../src/context/propagator.ts';

type Headers = Record<string, string | string[] | undefined>;

const root = ObservabilityContext.root;
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const extract = (headers: Headers, options?: PropagatorOptions) =>
  new Propagator(options).extract(root, headers, defaultTextMapGetter);

function inject(context: ObservabilityContext, options?: PropagatorOptions): Headers {
  const headers: Headers = {};
  new Propagator(options).inject(context, headers, defaultTextMapSetter);
  return headers;
}

describe('traceparent', () => {
  it('passes through as it came', () => {
    const context = extract({ traceparent });
    assert.equal(context.identity?.traceId, '0af7651916cd43dd8448eb211c80319c');
    assert.equal(context.identity?.spanId, 'b7ad6b7169203331');
    assert.equal(context.identity?.isRemote, true);
    assert.deepEqual(inject(context), { traceparent });
  });

  it('keeps the sampled and the random flag, and no other', () => {
    const flags = (text: string) =>
      inject(extract({ traceparent: traceparent.slice(0, -2) + text })).traceparent?.slice(-2);
    assert.deepEqual(['00', '01', '02', '03', 'ff', 'fc'].map(flags), ['00', '01', '02', '03', '03', '00']);
  });

  it('of a later version is read as far as it is known', () => {
    const id = traceparent.slice(3);
    for (const accepted of [`cc-${id}`, `cc-${id}-what-comes-later`, `01-${id}-`])
      assert.equal(extract({ traceparent: accepted }).identity?.sampled, true, accepted);
    for (const refused of [
      `cc-${id}.later`,
      `cc-${id}x`,
      `ff-${id}`,
      `ff-${id}-x`,
      `00-${id}-`,
      `00-${id}-x`,
    ])
      assert.equal(extract({ traceparent: refused }).identity, undefined, refused);
  });

  it('that is malformed is ignored', () => {
    const bad = [
      '',
      '-',
      traceparent.toUpperCase(),
      traceparent.slice(0, -1),
      traceparent.replaceAll('-', '_'),
      traceparent.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
      traceparent.replace('b7ad6b7169203331', '0'.repeat(16)),
      `0x${traceparent.slice(2)}`,
      `${traceparent.slice(0, -2)}.1`,
      traceparent.replace('0a', '.a'),
      `${traceparent},${traceparent}`,
    ];
    for (const header of bad) assert.equal(extract({ traceparent: header }).identity, undefined, header);
  });

  it('that comes twice is ignored; once in a list it counts', () => {
    assert.equal(extract({ traceparent: [traceparent, traceparent] }).identity, undefined);
    assert.ok(extract({ traceparent: [traceparent] }).identity);
  });

  it('is not written without a span, or while tracing is suppressed', () => {
    assert.deepEqual(inject(root), {});
    assert.deepEqual(inject(extract({ traceparent }).withSuppression(true)), {});
  });
});

describe('tracestate', () => {
  const pass = (tracestate: string | string[]) => inject(extract({ traceparent, tracestate })).tracestate;

  it('passes through, several headers as one list', () => {
    assert.equal(pass('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'), 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE');
    assert.equal(pass(['a=1', 'b=2', 'c@v=3']), 'a=1,b=2,c@v=3');
    assert.equal(pass('a=1 \t,\t , b= 2,,'), 'a=1,b= 2');
  });

  it('that is malformed is dropped as a whole, the traceparent is kept', () => {
    const bad = [
      'a',
      'A=1',
      '=1',
      'a=',
      'a=1,b',
      'a=1=2',
      `${'a'.repeat(257)}=1`,
      `a=${'1'.repeat(257)}`,
      'a=é',
      'a=\u007f',
      '_a=1',
    ];
    for (const header of bad) {
      assert.equal(pass(header), undefined, header);
      assert.ok(extract({ traceparent, tracestate: header }).identity);
    }
    assert.equal(pass(`${'a'.repeat(256)}=1`), `${'a'.repeat(256)}=1`);
    assert.equal(pass(`a=${'1'.repeat(256)}`), `a=${'1'.repeat(256)}`);
  });

  it('has 32 entries at most, each key once', () => {
    const list = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=1`).join(',');
    assert.equal(pass(list(32)), list(32));
    assert.equal(pass(list(33)), undefined);
    assert.equal(pass('a=1,b=2,a=3'), 'a=1,b=2');
  });

  it('is cut to 512 characters: long entries first, then the last ones', () => {
    const long = `long=${'x'.repeat(200)}`;
    const short = Array.from({ length: 9 }, (_, i) => `k${i}=${'y'.repeat(40)}`);
    assert.equal(pass([long, ...short].join(',')), short.join(','));
    const many = Array.from({ length: 20 }, (_, i) => `k${String(i).padStart(2, '0')}=${'y'.repeat(40)}`);
    assert.equal(pass(many.join(',')), many.slice(0, 11).join(','));
  });

  it('without a traceparent is nothing', () => {
    assert.equal(extract({ tracestate: 'a=1' }).identity, undefined);
  });
});

describe('baggage', () => {
  const entries = (header: string | string[]) =>
    Object.fromEntries(
      (extract({ baggage: header }).baggage?.getAllEntries() ?? []).map(([key, entry]) => [key, entry.value]),
    );

  it('is read with its properties and percent-encoding, and written again', () => {
    const context = extract({ baggage: 'userId=alice , server%20Node=DF%2028;p1;p2=v,a=%C3%A9%F0%9F%98%80' });
    assert.equal(context.baggage?.getEntry('userId')?.value, 'alice');
    assert.equal(context.baggage?.getEntry('server%20Node')?.value, 'DF 28');
    assert.equal(context.baggage?.getEntry('server%20Node')?.metadata?.toString(), 'p1;p2=v');
    assert.equal(context.baggage?.getEntry('a')?.value, 'é😀');
    assert.equal(inject(context).baggage, 'userId=alice,server%20Node=DF%2028;p1;p2=v,a=%C3%A9%F0%9F%98%80');
  });

  it('skips malformed entries and keeps the others', () => {
    assert.deepEqual(entries('a,=b,c d=1,(x)=1,ok=1,,;p=1,ok=2'), { ok: '2' });
    assert.deepEqual(entries(['a=1', 'b=2']), { a: '1', b: '2' });
  });

  it('takes a bare percent sign for itself and bad UTF-8 for U+FFFD', () => {
    assert.deepEqual(entries('a=%,b=100%x,c=%ff%41,d=%C3'), {
      a: '%',
      b: '100%x',
      c: '\ufffdA',
      d: '\ufffd',
    });
  });

  it('has 64 entries and 8192 bytes at most, in both directions', () => {
    const list = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=1`).join(',');
    assert.equal(Object.keys(entries(list(64))).length, 64);
    assert.equal(Object.keys(entries(list(65))).length, 64);
    assert.equal(Object.keys(entries(`a=${'x'.repeat(8190)}`)).length, 1);
    assert.equal(Object.keys(entries(`a=${'x'.repeat(8191)}`)).length, 0);
    assert.deepEqual(Object.keys(entries(`a=1,b=${'x'.repeat(9000)}`)), ['a']);
    let { baggage } = extract({ baggage: 'a=1' });
    for (let i = 0; i < 100; i++) baggage = baggage?.setEntry(`k${i}`, { value: 'é'.repeat(100) });
    const header = String(inject(root.withBaggage(baggage)).baggage);
    assert.ok(header.length <= 8192 && header.length > 7000);
  });

  it('leaves out what a header cannot hold', () => {
    let { baggage } = extract({ baggage: 'a=1' });
    baggage = baggage?.setEntry('bad key', { value: '1' }).setEntry('lone', { value: '\ud800' });
    assert.equal(inject(root.withBaggage(baggage)).baggage, 'a=1,lone=%EF%BF%BD');
  });
});

describe('labels', () => {
  const context = root.withLabels({ tenant: 'acme', secret: 'x' });

  it('stay in the process unless they are named', () => {
    assert.deepEqual(inject(context), {});
    assert.deepEqual(inject(context, { labels: ['tenant', 'other'] }), { baggage: 'tenant=acme' });
  });

  it('are taken from baggage when they are named', () => {
    const headers = { baggage: 'tenant=acme,secret=x' };
    assert.equal(extract(headers).labels.count, 0);
    assert.deepEqual(extract(headers, { labels: ['tenant'] }).labels.keys, ['tenant']);
  });
});

describe('the propagator', () => {
  it('reads and writes only what it is configured for', () => {
    const headers = { traceparent, baggage: 'a=1' };
    assert.deepEqual(new Propagator().fields(), ['traceparent', 'tracestate', 'baggage']);
    assert.deepEqual(inject(extract(headers), { baggage: false }), { traceparent });
    assert.deepEqual(inject(extract(headers, { traceContext: false })), { baggage: 'a=1' });
    assert.deepEqual(new Propagator({ traceContext: false, baggage: false }).fields(), []);
  });

  it('never throws, whatever the headers hold', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.string({ unit: 'binary' })),
      fc.anything(),
      fc.array(fc.constantFrom(...'%,;= -01afz@é\0\r\n')).map(parts => parts.join('')),
      fc.string().map(noise => traceparent + noise),
    );
    fc.assert(
      fc.property(hostile, hostile, hostile, (a, b, c) => {
        const headers = { traceparent: a, tracestate: b, baggage: c } as Headers;
        inject(extract(headers, { labels: ['a', '__proto__'] }), { labels: ['a'] });
      }),
      { numRuns: 2000 },
    );
    const failing = {
      get() {
        throw new Error('no');
      },
      keys: () => [],
    };
    assert.equal(new Propagator().extract(root, {}, failing), root);
    assert.equal(new Propagator().extract(root, undefined, defaultTextMapGetter), root);
  });
});
