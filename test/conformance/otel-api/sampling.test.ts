// Sampling by OpenTelemetry: the built-in samplers, and probabilities in the tracestate.
import assert from 'node:assert/strict';
import { createTraceState, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api';
import { createSampler, type SamplerName } from '../../../src/trace/sampler.ts';
import { rule } from '../rule.ts';
import { contextOf, parentContext, recorder } from './recorder.ts';

/** Starts spans under the sampler of this name. */
function sampling(name: SamplerName, ratio?: number) {
  const { tracer } = recorder({ sampler: createSampler(name, ratio) });
  return (parent?: Partial<SpanContext>): SpanContext =>
    tracer.startSpan('x', {}, parent === undefined ? ROOT_CONTEXT : contextOf(parent)).spanContext();
}

const isSampled = ({ traceFlags }: SpanContext): boolean => (traceFlags & 1) === 1;
const ot = ({ traceState }: SpanContext): string | undefined => traceState?.get('ot');
/** A parent whose trace has this randomness. */
const random = (digits: string, tracestate?: string, traceFlags = 3): Partial<SpanContext> => ({
  traceId: `5b8aa5a2d2c872e832${digits}`,
  traceFlags,
  isRemote: true,
  ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
});
/** Of all spans, as many as the ratio says within five standard deviations. */
function isAbout(found: number, count: number, ratio: number): boolean {
  return Math.abs(found - count * ratio) <= 5 * Math.sqrt(count * ratio * (1 - ratio));
}

const builtIn = 'trace/sdk § Built-in samplers';

rule(builtIn, 'by default parents are followed, and everything else is sampled', () => {
  const { tracer } = recorder();
  const sampled = (context = ROOT_CONTEXT): boolean =>
    isSampled(tracer.startSpan('x', {}, context).spanContext());
  assert.equal(sampled(), true);
  assert.equal(sampled(contextOf({ traceFlags: 1 })), true);
  assert.equal(sampled(contextOf({ traceFlags: 0 })), false);
});

rule('trace/sdk § AlwaysOn', 'everything is sampled, whatever the parent', () => {
  const start = sampling('always_on');
  for (const parent of [undefined, { traceFlags: 1 }, { traceFlags: 0 }, { traceFlags: 0, isRemote: true }])
    assert.equal(isSampled(start(parent)), true);
});

rule('trace/sdk § AlwaysOff', 'nothing is sampled, whatever the parent', () => {
  const start = sampling('always_off');
  for (const parent of [undefined, { traceFlags: 1 }, { traceFlags: 0 }, { traceFlags: 1, isRemote: true }])
    assert.equal(isSampled(start(parent)), false);
});

const ratioBased = 'trace/sdk § TraceIdRatioBased';

rule(ratioBased, 'the parent’s flag is ignored', () => {
  const start = sampling('traceidratio', 0.5);
  for (const traceFlags of [2, 3]) {
    assert.equal(isSampled(start(random('ffffffffffffff', undefined, traceFlags))), true);
    assert.equal(isSampled(start(random('00000000000000', undefined, traceFlags))), false);
  }
});

rule(ratioBased, 'of one trace the decision is always the same', () => {
  const [one, another] = [sampling('traceidratio', 0.3), sampling('traceidratio', 0.3)];
  for (let i = 0; i < 500; i++) {
    const { traceId } = sampling('always_on')();
    const decisions = [one, another, one].map(start => isSampled(start({ traceId })));
    assert.equal(new Set(decisions).size, 1);
  }
});

rule(ratioBased, 'what a lower ratio samples a higher one samples too', () => {
  const ratios = [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 1].map(ratio => sampling('traceidratio', ratio));
  for (let i = 0; i < 500; i++) {
    const { traceId } = sampling('always_on')();
    const decisions = ratios.map(start => isSampled(start({ traceId })));
    assert.deepEqual(decisions, decisions.toSorted());
  }
});

rule(ratioBased, 'as many traces are sampled as the ratio says', () => {
  for (const ratio of [0, 0.1, 0.5, 1]) {
    const start = sampling('traceidratio', ratio);
    const found = Array.from({ length: 4000 }, () => start()).filter(isSampled).length;
    assert.ok(isAbout(found, 4000, ratio), `${found} of 4000 at ${ratio}`);
  }
});

const parentBased = 'trace/sdk § ParentBased';

rule(parentBased, 'a sampled parent is followed, local or remote', () => {
  for (const name of ['parentbased_always_off', 'parentbased_always_on'] as const)
    for (const isRemote of [true, false])
      assert.equal(isSampled(sampling(name)({ traceFlags: 1, isRemote })), true);
});

rule(parentBased, 'a parent that is not sampled is followed, local or remote', () => {
  for (const name of ['parentbased_always_off', 'parentbased_always_on'] as const)
    for (const isRemote of [true, false])
      assert.equal(isSampled(sampling(name)({ traceFlags: 0, isRemote })), false);
});

rule(parentBased, 'a span without a parent is for the sampler of roots', () => {
  assert.equal(isSampled(sampling('parentbased_always_on')()), true);
  assert.equal(isSampled(sampling('parentbased_always_off')()), false);
  const start = sampling('parentbased_traceidratio', 0.25);
  const found = Array.from({ length: 4000 }, () => start()).filter(isSampled).length;
  assert.ok(isAbout(found, 4000, 0.25), `${found} of 4000`);
});

rule('trace/sdk § TraceID randomness', 'the low seven bytes of a new trace’s ID are random', () => {
  const start = sampling('always_off');
  const tails = Array.from({ length: 1000 }, () => start().traceId.slice(18));
  for (let digit = 0; digit < 14; digit++)
    assert.equal(new Set(tails.map(tail => tail[digit])).size, 16, `digit ${digit}`);
});

rule('trace/sdk § Random trace flag', 'a new trace has it set, a child has its parent’s', () => {
  for (const name of ['always_on', 'always_off', 'traceidratio', 'parentbased_always_on'] as const) {
    const start = sampling(name, 0.5);
    assert.equal(start().traceFlags & 2, 2, name);
    assert.equal(start({ traceFlags: 1 }).traceFlags & 2, 0, name);
    assert.equal(start({ traceFlags: 3 }).traceFlags & 2, 2, name);
  }
});

rule('trace/sdk § Presumption of TraceID randomness', 'a trace ID counts as random without the flag', () => {
  const start = sampling('traceidratio', 0.5);
  assert.equal(isSampled(start(random('80000000000000', undefined, 1))), true);
  assert.equal(isSampled(start(random('7fffffffffffff', undefined, 1))), false);
});

const probability = 'trace/tracestate-probability-sampling § ';

rule(`${probability}Decision algorithm`, 'a span is kept when its randomness reaches the threshold', () => {
  const start = sampling('traceidratio', 0.01);
  assert.equal(isSampled(start(random('fd70a000000000'))), true);
  assert.equal(isSampled(start(random('fd709fffffffff'))), false);
  assert.equal(isSampled(sampling('traceidratio', 1)(random('00000000000000'))), true);
});

rule(`${probability}Randomness value`, 'explicit randomness goes before that of the trace ID', () => {
  const start = sampling('traceidratio', 0.5);
  assert.equal(isSampled(start(random('00000000000000', 'ot=rv:80000000000000'))), true);
  assert.equal(isSampled(start(random('ffffffffffffff', 'ot=rv:7fffffffffffff'))), false);
});

rule(
  'trace/tracestate-handling § Explicit randomness value rv',
  'only 14 lowercase hexadecimal digits are one',
  () => {
    const start = sampling('traceidratio', 0.5);
    for (const rv of ['0000000000000', '000000000000000', '0000000000000G', '']) {
      assert.equal(isSampled(start(random('ffffffffffffff', `ot=rv:${rv}`))), true, rv);
      assert.equal(isSampled(start(random('00000000000000', `ot=rv:${rv.replaceAll('0', 'f')}`))), false, rv);
    }
  },
);

rule('trace/tracestate-handling § Explicit randomness value rv', 'it is handed on as it is', () => {
  for (const name of ['always_on', 'always_off', 'traceidratio', 'parentbased_always_off'] as const) {
    const child = sampling(name, 0.5)(random('00000000000000', 'ot=rv:6e6d1a75832a2f'));
    assert.match(ot(child) ?? '', /(^|;)rv:6e6d1a75832a2f($|;)/, name);
  }
});

rule(
  `${probability}Rejection threshold`,
  'a sampled span says its threshold, trailing zeros left out',
  () => {
    const cases: readonly (readonly [ratio: number, threshold: string])[] = [
      [1, '0'],
      [0.5, '8'],
      [1 / 3, 'aaab'],
      [0.25, 'c'],
      [0.2, 'cccd'],
      [0.125, 'e'],
      [0.1, 'e666'],
      [0.0625, 'f'],
      [0.01, 'fd70a'],
      [0.001, 'ffbe77'],
      [0.0001, 'fff9724'],
      [0.00001, 'ffff583a'],
      [0.000001, 'ffffef39'],
    ];
    for (const [ratio, threshold] of cases)
      assert.equal(ot(sampling('traceidratio', ratio)(random('ffffffffffffff'))), `th:${threshold}`);
    assert.equal(ot(sampling('always_on')()), 'th:0');
  },
);

rule(`${probability}General requirements`, 'a span that is not sampled has no threshold', () => {
  assert.equal(ot(sampling('always_off')(random('ffffffffffffff', 'ot=th:8'))), undefined);
  assert.equal(ot(sampling('traceidratio', 0.5)(random('00000000000000', 'ot=th:0'))), undefined);
});

rule(
  `${probability}Independent parent/child threshold`,
  'its own threshold takes the place of the parent’s',
  () => {
    assert.equal(ot(sampling('traceidratio', 0.5)(random('ffffffffffffff', 'ot=th:c'))), 'th:8');
    assert.equal(ot(sampling('always_on')(random('ffffffffffffff', 'ot=th:c'))), 'th:0');
  },
);

const followed = `${probability}Parent-based threshold`;
const follow = sampling('parentbased_traceidratio', 0.5);

rule(followed, 'a parent’s threshold is handed on with its decision', () => {
  assert.equal(ot(follow(random('c0000000000000', 'ot=th:c'))), 'th:c');
  assert.equal(ot(follow(random('00000000000000', 'ot=th:c;rv:c0000000000000'))), 'th:c;rv:c0000000000000');
});

rule(followed, 'one that contradicts the sampled flag is erased', () => {
  const child = follow(random('bfffffffffffff', 'ot=th:c;rv:bfffffffffffff,other=1'));
  assert.deepEqual(
    [isSampled(child), ot(child), child.traceState?.get('other')],
    [true, 'rv:bfffffffffffff', '1'],
  );
  assert.equal(ot(follow(random('ffffffffffffff', 'ot=th:c', 2))), undefined);
});

rule(followed, 'what is no threshold is erased', () => {
  for (const text of ['', 'xyz', 'C', '123456789abcdef', '-1'])
    assert.equal(ot(follow(random('ffffffffffffff', `ot=th:${text};p:8`))), 'p:8', text);
});

rule(followed, 'without one there is none', () => {
  const child = follow(random('00000000000000', 'other=1'));
  assert.deepEqual([isSampled(child), child.traceState?.serialize()], [true, 'other=1']);
  assert.equal(follow(parentContext).traceState, undefined);
});

const handling = 'trace/tracestate-handling § Setting values';

rule(handling, 'what else is in the entry is kept, as are other entries', () => {
  const child = sampling('traceidratio', 0.5)(random('ffffffffffffff', 'a=1,ot=p:8;th:c;r:62,b=2'));
  assert.deepEqual(new Set(ot(child)!.split(';')), new Set(['th:8', 'p:8', 'r:62']));
  assert.deepEqual([child.traceState?.get('a'), child.traceState?.get('b')], ['1', '2']);
});

rule(handling, 'an entry of 256 characters takes no threshold, and keeps no wrong one', () => {
  const full = `p:${'x'.repeat(254)}`;
  const start = sampling('traceidratio', 0.5);
  const child = start(random('ffffffffffffff', `ot=${full}`));
  assert.deepEqual([isSampled(child), ot(child)], [true, full]);
  const crowded = `th:c;p:${'x'.repeat(240)}`;
  const narrow = sampling('traceidratio', 0.0001)(random('ffffffffffffff', `ot=${crowded};q:123`));
  assert.equal(ot(narrow), `p:${'x'.repeat(240)};q:123`);
});

rule(`${probability}Sampling stages`, 'all spans of a trace stand for as many as their root does', () => {
  const { tracer } = recorder({ sampler: createSampler('parentbased_traceidratio', 0.5) });
  let root = tracer.startSpan('root', { root: true });
  while (!root.isRecording()) root = tracer.startSpan('root', { root: true });
  const child = tracer.startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, root));
  const grandchild = tracer.startSpan('grandchild', {}, trace.setSpan(ROOT_CONTEXT, child));
  for (const span of [root, child, grandchild]) assert.equal(ot(span.spanContext()), 'th:8');
});
