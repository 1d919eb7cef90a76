// OpenTelemetry's resource: what produces the telemetry, and which word about it counts.
import assert from 'node:assert/strict';
import { trace } from '@opentelemetry/api';
import type { AnyValue } from 'tricord/otlp';
import type { Options } from '../../../src/index.ts';
import { notApplicable, rule } from '../rule.ts';
import { arrivedFrom } from './running-agent.ts';

/** The resource of spans that the agent sends. */
async function resourceOf(
  options: Partial<Options> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Readonly<Record<string, AnyValue>>> {
  const use = (): void => {
    trace.getTracer('a').startSpan('one').end();
    trace.getTracer('b').startSpan('two').end();
  };
  const { spans, resource } = await arrivedFrom(use, options, env);
  assert.equal(spans.length, 2);
  return resource;
}

rule('resource/sdk § Resource SDK', 'every span belongs to the resource of its provider', async () => {
  const resource = await resourceOf({ resourceAttributes: { 'deployment.environment.name': 'test' } });
  assert.equal(resource['deployment.environment.name'], 'test');
});

const provided = 'resource/sdk § SDK-provided resource attributes';

rule(provided, 'service and SDK are named without being told', async () => {
  const resource = await resourceOf();
  assert.ok(resource['service.name']);
  assert.equal(resource['telemetry.sdk.language'], 'nodejs');
  assert.equal(resource['telemetry.sdk.name'], 'tricord');
  assert.match(String(resource['telemetry.sdk.version']), /^\d+\.\d+\.\d+/);
});

rule('resource/sdk § Create', 'attributes make a resource', async () => {
  const resource = await resourceOf({ resourceAttributes: { a: '1', b: 'two' } });
  assert.deepEqual([resource.a, resource.b], ['1', 'two']);
});

const merge = 'resource/sdk § Merge';

rule(merge, 'all attributes of both are in it, and those of the updating one count', async () => {
  const resource = await resourceOf({ resourceAttributes: { 'host.name': 'configured', extra: 'x' } });
  assert.deepEqual([resource['host.name'], resource.extra], ['configured', 'x']);
  assert.equal(resource['process.pid'], process.pid);
});

rule(merge, 'an empty value takes the place of another one, too', async () => {
  assert.equal((await resourceOf({ resourceAttributes: { 'host.name': '' } }))['host.name'], '');
  assert.equal((await resourceOf({}, { OTEL_RESOURCE_ATTRIBUTES: 'host.name=' }))['host.name'], '');
});

const variable = 'resource/sdk § Specifying resource information via an environment variable';
const OTEL_RESOURCE_ATTRIBUTES = 'env=1,both=env';

rule(variable, 'OTEL_RESOURCE_ATTRIBUTES is merged with what is given in code, which counts', async () => {
  const resource = await resourceOf(
    { resourceAttributes: { both: 'code', code: '2' } },
    { OTEL_RESOURCE_ATTRIBUTES },
  );
  assert.deepEqual([resource.env, resource.both, resource.code], ['1', 'code', '2']);
});

rule(variable, 'its values are texts', async () => {
  const resource = await resourceOf({}, { OTEL_RESOURCE_ATTRIBUTES: 'number=1,flag=true' });
  assert.deepEqual([resource.number, resource.flag], ['1', 'true']);
});

rule(variable, 'what is no plain character is percent-encoded, in keys and values', async () => {
  const resource = await resourceOf({}, { OTEL_RESOURCE_ATTRIBUTES: 'a%2Cb=c%3Dd, e = f%20g ,h=%C3%A9' });
  assert.deepEqual([resource['a,b'], resource.e, resource.h], ['c=d', 'f g', 'é']);
});

rule(variable, 'when it cannot be read the whole of it is discarded', async () => {
  for (const text of ['fine=1,broken', 'fine=1,=2', 'fine=1,bad=%zz', 'fine=1,bad=%ff', 'fine=1,%zz=bad'])
    assert.equal((await resourceOf({}, { OTEL_RESOURCE_ATTRIBUTES: text })).fine, undefined, text);
});

const resourceAttributes = 'resource/sdk § Resource operations';

rule(resourceAttributes, 'what is given cannot be changed afterwards', async () => {
  const given = { a: '1' };
  const { resource } = await arrivedFrom(
    () => {
      given.a = 'changed';
      trace.getTracer('t').startSpan('x').end();
    },
    { resourceAttributes: given },
  );
  assert.equal(resource.a, '1');
});

rule('common § Exempt Entities', 'limits of attributes are not for the resource', async () => {
  const value = 'x'.repeat(100);
  const limits = { attributeCountLimit: 1, attributeValueLengthLimit: 1 };
  assert.equal((await resourceOf({ ...limits, resourceAttributes: { a: value } })).a, value);
});

notApplicable(
  'resource/sdk § Detecting resource information from the environment',
  'detectors are packages of their own, with names, which say a schema URL',
  'The agent detects service, process, host, system and container itself. What it sends is merged with what the environment says, whose schema is not known, and has no schema URL.',
);
