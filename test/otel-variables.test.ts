// The variables of OpenTelemetry: none is missing from the table, and those with other names or for one signal count where they can.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Options, optionTable } from '../src/options.ts';
import { isForeign, knownVariables, specification } from '../src/otel-variables.ts';
import { readOptions } from '../src/read-options.ts';

const own = Object.values(optionTable).map(({ env }) => env);
const listed = specification.flatMap(({ variables }) => Object.entries(variables));

const read = (env: Record<string, string>, given: Partial<Options> = {}) => readOptions(given, env);

describe('the table of the specification', () => {
  it('has every OTEL_ option, and as options only what is one', () => {
    const names = listed.map(([name]) => name);
    assert.deepEqual(
      own.filter(name => name.startsWith('OTEL_') && !names.includes(name)),
      [],
    );
    const promised = listed.filter(([, { kind }]) => kind === 'option').map(([name]) => name);
    assert.deepEqual(
      promised.filter(name => !own.includes(name)),
      [],
    );
    assert.equal(new Set(names).size, names.length);
  });

  it('sends nobody to a variable that does not exist', () => {
    const known = knownVariables(own);
    const named = listed.flatMap(([, fate]) => [
      ...('of' in fate ? [fate.of] : []),
      ...('note' in fate ? [...fate.note.matchAll(/`((?:OTEL|TRICORD)_\w+)`/g)].map(match => match[1]!) : []),
    ]);
    assert.ok(named.length > 0);
    assert.deepEqual(
      named.filter(name => !known.includes(name)),
      [],
    );
  });
});

describe('a variable of the specification', () => {
  const silent: readonly string[] = listed
    .filter(([, { kind }]) => kind === 'moot' || kind === 'alias')
    .map(([name]) => name);
  for (const [name, fate] of listed) {
    if (fate.kind !== 'ignored' || own.includes(name)) continue;
    it(`is told of by its name when it has no effect: ${name}`, () => {
      const { options, warnings } = read({ [name]: '1' });
      assert.equal(warnings.length, 1);
      assert.ok(warnings[0]!.startsWith(`${name} is ignored. `));
      assert.deepEqual(options, read({}).options);
    });
  }

  it('is not complained about when what it says holds anyway', () => {
    for (const name of silent) assert.deepEqual(read({ [name]: '1' }).warnings, [], name);
  });

  it('is empty: as if it were not set', () => {
    for (const [name] of listed) {
      const { options, warnings } = read({ [name]: '' });
      assert.deepEqual([options, warnings], [read({}).options, []], name);
    }
  });

  it('counts under its other name, where the option’s own is not set', () => {
    const delays = { OTEL_BSP_SCHEDULE_DELAY: '7', OTEL_BLRP_SCHEDULE_DELAY: '8' };
    const { options } = read(delays);
    assert.deepEqual([options.tracesLinger, options.logsLinger], [7, 8]);
    const both = read({ ...delays, TRICORD_TRACES_LINGER: '9' });
    assert.deepEqual([both.options.tracesLinger, both.warnings], [9, []]);
  });

  it('for another language, or for the operator, is left alone', () => {
    const others = ['OTEL_JAVAAGENT_ENABLED', 'OTEL_PYTHON_LOG_LEVEL', 'OTEL_RESOURCE_ATTRIBUTES_POD_NAME'];
    for (const name of others) {
      assert.deepEqual(read({ [name]: '1' }).warnings, [], name);
      assert.ok(isForeign(name));
    }
    assert.match(read({ OTEL_RESOURCE_ATTRIBUTE: 'a=b' }).warnings[0]!, /mean OTEL_RESOURCE_ATTRIBUTES\?/);
  });
});

describe('a variable for one signal', () => {
  const endpoint = 'http://127.0.0.1:14317';
  const of = (signal: string, what = 'ENDPOINT'): string => `OTEL_EXPORTER_OTLP_${signal}_${what}`;

  it('counts when all signals say the same', () => {
    const env = Object.fromEntries(['TRACES', 'METRICS', 'LOGS'].map(signal => [of(signal), endpoint]));
    const { options, warnings } = read(env);
    assert.deepEqual([options.endpoint, warnings], [endpoint, []]);
  });

  it('counts when it says what the general one says', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, [of('LOGS')]: endpoint };
    const { options, warnings } = read(env);
    assert.deepEqual([options.endpoint, warnings], [endpoint, []]);
  });

  it('counts when no other signal is sent, and does not when its own is not', () => {
    const others = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
    const alone = read({ ...others, [of('TRACES')]: endpoint, [of('TRACES', 'TIMEOUT')]: '77' });
    assert.deepEqual([alone.options.endpoint, alone.options.timeout, alone.warnings], [endpoint, 77, []]);
    const given = { metricsExporter: 'none', logsExporter: 'none' } as const;
    assert.equal(read({ [of('TRACES')]: endpoint }, given).options.endpoint, endpoint);
    const unsent = read({ OTEL_TRACES_EXPORTER: 'none', [of('TRACES')]: endpoint });
    assert.deepEqual([unsent.options.endpoint, unsent.warnings], [optionTable.endpoint.default, []]);
  });

  it('of OTLP/HTTP is a whole URL', () => {
    const http = { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_METRICS_EXPORTER: 'none' };
    const agreed = { ...http, [of('TRACES')]: `${endpoint}/v1/traces`, [of('LOGS')]: `${endpoint}/v1/logs` };
    assert.deepEqual([read(agreed).options.endpoint, read(agreed).warnings], [endpoint, []]);
    const elsewhere = read({ ...agreed, [of('LOGS')]: `${endpoint}/loki` });
    assert.equal(elsewhere.warnings.length, 2);
    assert.equal(elsewhere.options.endpoint, 'http://127.0.0.1:4318');
  });

  it('may bring the protocol with it', () => {
    const alone = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
    const env = {
      ...alone,
      [of('TRACES', 'PROTOCOL')]: 'http/protobuf',
      [of('TRACES')]: `${endpoint}/v1/traces`,
    };
    const { options, warnings } = read(env);
    assert.deepEqual([options.protocol, options.endpoint, warnings], ['http/protobuf', endpoint, []]);
  });

  it('is told of when signals differ, without what a header says', () => {
    const { options, warnings } = read({
      OTEL_EXPORTER_OTLP_HEADERS: 'a=b',
      [of('METRICS', 'HEADERS')]: 'key=canary',
    });
    assert.deepEqual(options.headers, { a: 'b' });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^OTEL_EXPORTER_OTLP_METRICS_HEADERS is ignored: one connection/);
    assert.doesNotMatch(warnings[0]!, /canary/);
  });

  it('is judged by the rules of the general one, under its own name', () => {
    const env = {
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
      [of('TRACES', 'TIMEOUT')]: '-1',
    };
    const { options, warnings } = read(env);
    assert.equal(options.timeout, optionTable.timeout.default);
    assert.match(warnings[0]!, /^OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="-1" is ignored: it takes a whole number/);
  });
});
