// The profiler's bounds and its account: in this process, with a stock gRPC server.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { processClock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { limits } from '../../src/limits.ts';
import { SlowProfiler } from '../../src/profile/slow-profiler.ts';
import { ProfilesServer } from './profiles-server.ts';

const identity = SpanIdentity.from({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 })!;
/** Long enough for a sample or two on a busy machine. */
const WORK_NANOS = 100e6;
const { profiles_per_minute_max: PER_MINUTE, profiles_at_once_max: AT_ONCE } = limits;

describe('the profiler of slow requests', () => {
  let server: ProfilesServer;
  let profiler: SlowProfiler;
  const lines: string[] = [];
  const start = async (answer?: () => object): Promise<void> => {
    server = await ProfilesServer.start(answer);
    lines.length = 0;
    profiler = new SlowProfiler({
      endpoint: server.url,
      protocol: 'grpc',
      headers: {},
      timeoutMs: 5000,
      intervalMs: 1,
      resource: new Uint8Array(0),
      clock: processClock,
      unobserved: work => work(),
      say: line => lines.push(line),
    });
  };
  afterEach(async () => {
    await profiler.stop(1000);
    server.stop();
  });

  /** Works for a while, as so many local roots at once. */
  async function work(roots = 1): Promise<void> {
    const from = processClock.now();
    while (processClock.now() - from < WORK_NANOS);
    for (let i = 0; i < roots; i++) profiler.ended(identity, from, processClock.now(), processClock.offset);
    await profiler.flush(5000);
  }

  it('makes so many profiles in a minute and no more', async () => {
    await start();
    for (let i = 0; i < PER_MINUTE + 2; i++) await work();
    assert.equal(server.requests.length, PER_MINUTE);
    assert.deepEqual(profiler.counters, { sent: PER_MINUTE, idle: 0, skipped: 2, too_large: 0, failed: 0 });
  });

  it('makes one request for those that end at once, up to a number of them', async () => {
    await start();
    await work(AT_ONCE + 1);
    assert.equal(server.requests.length, 1);
    const [{ profiles } = { profiles: [] }] = server.requests[0]!.resource_profiles[0]!.scope_profiles;
    assert.deepEqual(
      profiles.map(({ samples }) => samples[0]!.link_index),
      Array.from({ length: AT_ONCE }, (_, i) => i + 1),
    );
    assert.deepEqual([profiler.counters.sent, profiler.counters.skipped], [AT_ONCE, 1]);
  });

  it('has what was before its window only since the window before', async () => {
    await start();
    await work();
    const from = processClock.now() - 3600e9;
    profiler.ended(identity, from, processClock.now(), processClock.offset);
    await profiler.flush(5000);
    const [profile] = server.requests[1]!.resource_profiles[0]!.scope_profiles[0]!.profiles;
    assert.ok(Number(profile!.duration_nano) < 60e9, profile!.duration_nano);
  });

  it('counts what the receiver leaves out', async () => {
    await start(() => ({ partial_success: { rejected_profiles: 1, error_message: 'too many' } }));
    await work(2);
    assert.deepEqual([profiler.counters.sent, profiler.counters.failed, lines], [1, 1, []]);
  });

  it('tells of a receiver that is busy, and goes on', async () => {
    await start(() => ({ code: 14, details: 'busy' }));
    await work();
    await work();
    assert.equal(profiler.counters.failed, 2);
    assert.match(lines[0]!, /^a profile could not be sent to http:\/\/127\.0\.0\.1:\d+: .*busy\.$/);
  });

  it('samples no more once the receiver has refused for good', async () => {
    await start(() => ({ code: 12, details: 'no profiles here' }));
    await work();
    await work();
    assert.deepEqual([profiler.counters.failed, profiler.counters.skipped, lines.length], [1, 1, 1]);
    assert.match(lines[0]!, /takes no profiles, so that none are made: .*no profiles here\.$/);
  });
});
