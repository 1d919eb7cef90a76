// Profiles of slow requests: an application under the agent, and what a stock gRPC server gets of it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { hex } from '../decoded-records.ts';
import { type Run, run } from '../register/application.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { decodeProfiles, type Profile, type ProfilesRequest, ProfilesServer } from './profiles-server.ts';

const application = join(import.meta.dirname, 'slow-app.cjs');
const SERVER = 2;

function asked(url: string, paths: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return run(application, {
    args: paths,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_METRICS_EXPORTER: 'none',
      // Its requests to itself would be slow local roots, too.
      TRICORD_INSTRUMENTATIONS: 'http-server',
      TRICORD_PROFILES_SLOW: '200',
      ...env,
    },
  });
}

/** Functions of the sample's stack, from the innermost outwards. */
function stackOf({ dictionary }: ProfilesRequest, { stack_index }: Profile['samples'][number]): string[] {
  return dictionary.stack_table[stack_index]!.location_indices.map(index => {
    const { function_index } = dictionary.location_table[index]!.lines[0]!;
    return dictionary.string_table[dictionary.function_table[function_index]!.name_strindex]!;
  });
}

const sum = (values: readonly string[]): number => values.reduce((total, value) => total + Number(value), 0);

describe('a slow request', () => {
  let server: ProfilesServer;
  beforeEach(async () => {
    server = await ProfilesServer.start();
  });
  afterEach(() => server.stop());

  it('has a profile of what was on the processor meanwhile, linked with its span', async () => {
    const { code, stderr } = await asked(server.url, ['/quick', '/work', '/quick']);
    assert.deepEqual([code, stderr], [0, '']);
    const [request, ...others] = server.requests;
    assert.equal(others.length, 0);
    const { dictionary, resource_profiles: resources } = request!;
    const service = resources[0]!.resource.attributes.find(({ key }) => key === 'service.name')!;
    assert.equal(service.value.string_value, 'application');
    const [{ scope, profiles } = { scope: { name: '' }, profiles: [] }] = resources[0]!.scope_profiles;
    assert.deepEqual([scope.name, profiles.length], ['tricord/profile', 1]);
    const profile = profiles[0]!;

    const span = server.spans.find(
      ({ kind, startTimeUnixNano, endTimeUnixNano }) =>
        kind === SERVER && endTimeUnixNano - startTimeUnixNano > 200_000_000n,
    )!;
    assert.deepEqual(
      dictionary.link_table.map(({ trace_id, span_id }) => [hex(trace_id), hex(span_id)]),
      [
        ['0'.repeat(32), '0'.repeat(16)],
        [hex(span.traceId), hex(span.spanId)],
      ],
    );
    assert.ok(profile.samples.every(({ link_index }) => link_index === 1));
    assert.ok(BigInt(profile.time_unix_nano) >= span.startTimeUnixNano);
    assert.ok(BigInt(profile.time_unix_nano) + BigInt(profile.duration_nano) <= span.endTimeUnixNano + 1000n);

    const text = (index: number): string => dictionary.string_table[index]!;
    for (const type of [profile.sample_type, profile.period_type])
      assert.deepEqual([text(type.type_strindex), text(type.unit_strindex)], ['cpu', 'nanoseconds']);
    assert.equal(profile.period, '10000000');
    assert.equal(profile.profile_id.length, 16);

    const burning = profile.samples.filter(sample => stackOf(request!, sample).includes('burnProcessorTime'));
    const [burnt, all] = [burning, profile.samples].map(samples => sum(samples.flatMap(each => each.values)));
    assert.ok(burnt! > 200e6 && burnt! <= 1.05 * Number(profile.duration_nano), `${burnt} ns`);
    assert.ok(burnt! > all! / 2, `${burnt} of ${all} ns`);
    for (const { values, timestamps_unix_nano: times } of profile.samples) {
      assert.equal(values.length, times.length);
      assert.ok(times.every(time => BigInt(time) >= span.startTimeUnixNano - 1000n));
      assert.ok(times.every(time => BigInt(time) <= span.endTimeUnixNano + 1000n));
    }
  });

  it('has tables in its request whose first elements are none, and a file and a line for each function', async () => {
    await asked(server.url, ['/work']);
    const { dictionary } = server.requests[0]!;
    assert.equal(dictionary.string_table[0], '');
    assert.deepEqual(dictionary.stack_table[0], { location_indices: [] });
    assert.deepEqual(dictionary.location_table[0]!.lines, []);
    assert.equal(dictionary.function_table[0]!.name_strindex, 0);
    assert.deepEqual([dictionary.mapping_table.length, dictionary.attribute_table.length], [1, 1]);
    const burn = dictionary.function_table.find(
      each => dictionary.string_table[each.name_strindex] === 'burnProcessorTime',
    )!;
    assert.match(dictionary.string_table[burn.filename_strindex]!, /slow-app\.cjs$/);
    assert.equal(burn.start_line, '8');
    assert.equal(new Set(dictionary.string_table).size, dictionary.string_table.length);
  });

  it('that waited has none, nor has one that is not sampled', async () => {
    const waited = await asked(server.url, ['/wait']);
    assert.deepEqual([waited.code, waited.stderr], [0, '']);
    const unsampled = await asked(server.url, ['/work'], { OTEL_TRACES_SAMPLER: 'always_off' });
    assert.deepEqual([unsampled.code, unsampled.stderr], [0, '']);
    const said = server.requests.map(({ resource_profiles }) => resource_profiles[0]!.scope_profiles);
    const busy = said
      .flatMap(scopes => scopes.flatMap(({ profiles }) => profiles))
      .map(({ samples }) => samples);
    assert.ok(
      busy.every(samples => sum(samples.flatMap(({ values }) => values)) < 100e6),
      'what little there is on the processor while one waits',
    );
  });

  it('has none by default, and nothing of it is loaded', async () => {
    const off = await asked(server.url, ['/work'], { TRICORD_PROFILES_SLOW: '' });
    assert.deepEqual([off.stdout, server.requests.length], ['false\n', 0]);
    const on = await asked(server.url, ['/work']);
    assert.deepEqual([on.stdout, server.requests.length], ['true\n', 1]);
  });

  it('has its profile by OTLP/HTTP, too', async () => {
    const requests: [path: string | undefined, body: Buffer][] = [];
    const http = createServer((request, response) => {
      void buffer(request).then(body => {
        requests.push([request.url, body]);
        response.writeHead(200).end();
      });
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    after(() => http.close());
    const { port } = http.address() as AddressInfo;
    await asked(`http://127.0.0.1:${port}`, ['/work'], { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' });
    const [found, ...others] = requests.filter(([path]) => path === '/v1development/profiles');
    assert.equal(others.length, 0);
    const request = decodeProfiles(found![1]);
    const [profile] = request.resource_profiles[0]!.scope_profiles[0]!.profiles;
    assert.ok(profile!.samples.some(sample => stackOf(request, sample).includes('burnProcessorTime')));
  });

  it('has none where the collector takes no profiles, which is told once', async () => {
    const collector = await TestCollector.start();
    after(() => collector.stop());
    const { code, stderr } = await asked(collector.url, ['/work', '/work']);
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^tricord: the collector at http:\/\/127\.0\.0\.1:\d+ takes no profiles, so that none are made: [^\n]*12[^\n]*\n$/,
    );
  });
});
