// OpenTelemetry's environment variables, those for all signals and for traces: what they mean and what is done about bad ones.
import assert from 'node:assert/strict';
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { type Options, start } from '../../../src/index.ts';
import { optionTable } from '../../../src/options.ts';
import { readOptions } from '../../../src/read-options.ts';
import { notApplicable, rule } from '../rule.ts';
import { contextOf, parentContext } from './recorder.ts';
import { arrivedFrom, inEnvironment } from './running-agent.ts';

const page = 'configuration/sdk-environment-variables';

function optionsOf(env: Readonly<Record<string, string>>): Readonly<Options> {
  const { options, warnings } = readOptions({}, env);
  assert.deepEqual(warnings, []);
  return options;
}

/** Bad values of a variable: each is warned of, by name and value, and leaves the default. */
function ignored(name: keyof Options, ...values: readonly string[]): void {
  const { env, default: fallback } = optionTable[name];
  for (const value of values) {
    const { options, warnings } = readOptions({}, { [env]: value });
    assert.deepEqual(options[name], fallback, `${env}=${value}`);
    assert.equal(warnings.length, 1);
    assert.ok(warnings[0]!.startsWith(`${env}=${JSON.stringify(value)} is ignored`), warnings[0]!);
  }
}

rule(`${page} § Implementation guidelines`, 'whatever a variable sets can be set in code', () => {
  const names = Object.keys(optionTable) as (keyof Options)[];
  const { options } = readOptions({}, {});
  const { options: again } = readOptions(options, {});
  assert.deepEqual(
    names.map(name => again[name]),
    names.map(name => options[name]),
  );
});

rule(`${page} § Parsing empty value`, 'an empty variable is as one that is not set', () => {
  const empty = Object.fromEntries(Object.values(optionTable).map(({ env }) => [env, '']));
  assert.deepEqual(optionsOf(empty), optionsOf({}));
});

rule(`${page} § Boolean`, 'only "true" is true, in any case; anything else is false, and warned of', () => {
  for (const value of ['true', 'TRUE', 'True'])
    assert.equal(optionsOf({ OTEL_SDK_DISABLED: value }).disabled, true);
  for (const value of ['false', 'FALSE', ''])
    assert.equal(optionsOf({ OTEL_SDK_DISABLED: value }).disabled, false);
  ignored('disabled', '1', 'yes', 'on', 'truth');
});

rule(
  `${page} § Numeric`,
  'a number that cannot be read, or is out of range, is warned of and ignored',
  () => {
    ignored('attributeCountLimit', 'many', '-1', '1.5', '1e99', ' ');
    ignored('eventCountLimit', '-1');
    ignored('tracesSamplerArg', '1.1', '-0.1', 'half');
  },
);

notApplicable(
  `${page} § Integer`,
  'every integer from 0 to 2³¹ − 1 is supported',
  'Counts go to 10,000 and lengths to 65,536, since a record has to fit into a frame of 256 KiB; more is warned of.',
);

rule(
  `${page} § Duration`,
  'a duration is a whole number of milliseconds, and a negative one is ignored',
  () => {
    assert.equal(optionsOf({ OTEL_METRIC_EXPORT_INTERVAL: '12000' }).metricExportInterval, 12_000);
    ignored('metricExportInterval', '-1', '1s', '0.5');
  },
);

rule(`${page} § Timeout`, 'a timeout of zero is none, and a negative one is ignored', async () => {
  assert.equal(optionsOf({ OTEL_EXPORTER_OTLP_TIMEOUT: '12000' }).timeout, 12_000);
  ignored('timeout', '-1');
  const { spans } = await arrivedFrom(
    () => trace.getTracer('t').startSpan('x').end(),
    {},
    {
      OTEL_EXPORTER_OTLP_TIMEOUT: '0',
    },
  );
  assert.equal(spans.length, 1);
});

rule(`${page} § Enum`, 'case does not count', () => {
  const { tracesSampler, tracesExporter, propagators, protocol } = optionsOf({
    OTEL_TRACES_SAMPLER: 'ParentBased_TraceIdRatio',
    OTEL_TRACES_EXPORTER: 'NONE',
    OTEL_PROPAGATORS: 'TraceContext,BAGGAGE',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'GRPC',
  });
  assert.deepEqual([tracesSampler, tracesExporter, protocol], ['parentbased_traceidratio', 'none', 'grpc']);
  assert.deepEqual(propagators, ['tracecontext', 'baggage']);
});

rule(`${page} § Enum`, 'a value that is not known is warned of, as it was given, and ignored', () => {
  ignored('tracesSampler', 'sometimes', 'jaeger_remote');
  ignored('tracesExporter', 'zipkin');
  ignored('propagators', 'b3', 'tracecontext,b3multi');
});

const general = `${page} § General SDK Configuration`;

rule(general, 'OTEL_SDK_DISABLED turns all signals off', () => {
  const agent = inEnvironment({ OTEL_SDK_DISABLED: 'true' }, () => start());
  assert.equal(agent, undefined);
  assert.equal(trace.getTracer('t').startSpan('x').isRecording(), false);
});

notApplicable(
  general,
  'OTEL_SDK_DISABLED leaves propagation on',
  'Turned off, nothing of the agent runs, so that it can be ruled out when something is looked for.',
);

rule(general, 'OTEL_SERVICE_NAME goes before the service.name of OTEL_RESOURCE_ATTRIBUTES', async () => {
  const span = (): void => trace.getTracer('t').startSpan('x').end();
  const attributes = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=second' };
  const first = await arrivedFrom(span, {}, { ...attributes, OTEL_SERVICE_NAME: 'first' });
  assert.equal(first.resource['service.name'], 'first');
  assert.equal((await arrivedFrom(span, {}, attributes)).resource['service.name'], 'second');
});

/** What is written into a carrier under this list of propagators. */
async function injected(OTEL_PROPAGATORS: string): Promise<string[]> {
  const carrier = {};
  await arrivedFrom(
    () => {
      const baggage = propagation.createBaggage({ a: { value: '1' } });
      propagation.inject(propagation.setBaggage(contextOf(), baggage), carrier);
    },
    {},
    { OTEL_PROPAGATORS },
  );
  return Object.keys(carrier);
}

rule(general, 'OTEL_PROPAGATORS says which headers there are, by default both of W3C', async () => {
  assert.deepEqual(await injected(''), ['traceparent', 'baggage']);
  assert.deepEqual(await injected('tracecontext'), ['traceparent']);
  assert.deepEqual(await injected('baggage'), ['baggage']);
  assert.deepEqual(await injected('none'), []);
});

rule(general, 'OTEL_PROPAGATORS counts a name that comes twice once', async () => {
  assert.deepEqual(await injected('baggage, tracecontext,baggage'), ['traceparent', 'baggage']);
});

rule(
  general,
  'OTEL_TRACES_SAMPLER says which traces are kept, by default all that no parent leaves out',
  async () => {
    const kept = async (env: Readonly<Record<string, string>>): Promise<string[]> => {
      const { spans } = await arrivedFrom(
        () => {
          const tracer = trace.getTracer('t');
          tracer.startSpan('root').end();
          tracer.startSpan('sampled', {}, contextOf({ traceFlags: 1 })).end();
          tracer.startSpan('unsampled', {}, contextOf({ traceFlags: 0 })).end();
        },
        {},
        env,
      );
      return spans.map(({ name }) => name);
    };
    assert.deepEqual(await kept({}), ['root', 'sampled']);
    assert.deepEqual(await kept({ OTEL_TRACES_SAMPLER: 'always_on' }), ['root', 'sampled', 'unsampled']);
    assert.deepEqual(await kept({ OTEL_TRACES_SAMPLER: 'always_off' }), []);
    assert.deepEqual(await kept({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }), ['sampled']);
    const none = { OTEL_TRACES_SAMPLER_ARG: '0' };
    assert.deepEqual(await kept({ ...none, OTEL_TRACES_SAMPLER: 'traceidratio' }), []);
    assert.deepEqual(await kept({ ...none, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio' }), ['sampled']);
    assert.deepEqual(
      await kept(none),
      ['root', 'sampled'],
      'the argument belongs to a sampler that is named',
    );
  },
);

rule(general, 'OTEL_TRACES_SAMPLER_ARG is 1 unless it is set, and when it cannot be read', () => {
  assert.equal(optionsOf({ OTEL_TRACES_SAMPLER: 'traceidratio' }).tracesSamplerArg, 1);
  ignored('tracesSamplerArg', 'NaN', '2');
});

rule(general, 'OTEL_LOG_LEVEL sets the level of the SDK’s log', () => {
  assert.equal(optionsOf({ OTEL_LOG_LEVEL: 'Debug' }).logLevel, 'debug');
});
notApplicable(general, 'OTEL_ENTITIES describes the resource', 'Not supported (status: development).');
rule(`${page} § Batch Span Processor`, 'OTEL_BSP_SCHEDULE_DELAY is how long spans wait', () => {
  assert.equal(optionsOf({ OTEL_BSP_SCHEDULE_DELAY: '250' }).tracesLinger, 250);
});
notApplicable(
  `${page} § Batch Span Processor`,
  'the other OTEL_BSP_* set up the batching processor',
  'The buffers are bounded in bytes: see TRICORD_RING_BYTES, TRICORD_RESEND_BYTES and OTEL_EXPORTER_OTLP_TIMEOUT.',
);

/** How many attributes a span, its event and its link keep of six, and how much of a text of six. */
async function keptUnder(env: Readonly<Record<string, string>>): Promise<number[]> {
  const attributes = Object.fromEntries(Array.from('abcdef', key => [key, 'values']));
  const { spans } = await arrivedFrom(
    () => {
      const span = trace.getTracer('t').startSpan('x', { attributes });
      span.addEvent('e', attributes).addLink({ context: parentContext, attributes }).end();
    },
    {},
    env,
  );
  const [span] = spans;
  const records = [span!, span!.events[0]!, span!.links[0]!];
  return [...records.map(each => each.attributes.length), String(span!.attributes[0]!.value).length];
}

const attributeLimits = `${page} § Attribute Limits`;

rule(attributeLimits, 'the general limits are for spans, events and links', async () => {
  assert.deepEqual(await keptUnder({}), [6, 6, 6, 6]);
  assert.deepEqual(await keptUnder({ OTEL_ATTRIBUTE_COUNT_LIMIT: '4' }), [4, 4, 4, 6]);
  assert.deepEqual(await keptUnder({ OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '3' }), [6, 6, 6, 3]);
});

rule(`${page} § Span Limits`, 'those of spans, events and links go before the general ones', async () => {
  const counts = { OTEL_ATTRIBUTE_COUNT_LIMIT: '2', OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '3' };
  assert.deepEqual(await keptUnder(counts), [3, 2, 2, 6]);
  const all = { ...counts, OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: '4', OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: '5' };
  assert.deepEqual(await keptUnder(all), [3, 4, 5, 6]);
  const lengths = { OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '1', OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '5' };
  assert.deepEqual(await keptUnder(lengths), [6, 6, 6, 5]);
});

rule(`${page} § Span Limits`, 'events and links have limits of their own', async () => {
  const { spans } = await arrivedFrom(
    () => {
      const span = trace.getTracer('t').startSpan('x');
      for (let i = 0; i < 5; i++) span.addEvent('e').addLink({ context: parentContext });
      span.end();
    },
    {},
    { OTEL_SPAN_EVENT_COUNT_LIMIT: '2', OTEL_SPAN_LINK_COUNT_LIMIT: '3' },
  );
  assert.deepEqual([spans[0]!.events.length, spans[0]!.links.length], [2, 3]);
});

rule(
  `${page} § Exporter Selection`,
  'OTEL_TRACES_EXPORTER=none sends no spans, and hands on what came in',
  async () => {
    const carrier: Record<string, string> = {};
    const { spans } = await arrivedFrom(
      () => {
        const { traceId, spanId } = parentContext;
        const from = propagation.extract(ROOT_CONTEXT, { traceparent: `00-${traceId}-${spanId}-01` });
        const span = trace.getTracer('t').startSpan('x', {}, from);
        propagation.inject(trace.setSpan(ROOT_CONTEXT, span), carrier);
        span.end();
      },
      {},
      { OTEL_TRACES_EXPORTER: 'none' },
    );
    assert.equal(spans.length, 0);
    assert.equal(carrier.traceparent, `00-${parentContext.traceId}-${parentContext.spanId}-01`);
  },
);

notApplicable(
  `${page} § Exporter Selection`,
  'OTEL_TRACES_EXPORTER knows console, zipkin and otlp/stdout',
  'Spans go out as OTLP or not at all; the collector has other exporters.',
);
notApplicable(
  `${page} § Declarative configuration`,
  'OTEL_EXPERIMENTAL_CONFIG_FILE names a file that takes the place of all variables',
  'Not supported (status: development).',
);
