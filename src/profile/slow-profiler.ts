// Profiles of slow requests: what was on the processor while a local root was under way that took longer than it may.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../context/clock.ts';
import { limits } from '../limits.ts';
import type { EndpointOptions } from '../transport/endpoint.ts';
import { HEADROOM_BYTES } from '../transport/ledger.ts';
import { encodeProfiles, type ProfileRecord } from '../transport/otlp/profiles.ts';
import { PROFILES } from '../transport/otlp/record.ts';
import type { ExportOutcome } from '../transport/otlp/response.ts';
import type { IdWords } from '../transport/otlp/trace.ts';
import { Writer } from '../transport/otlp/writer.ts';
import { OtlpGrpcExporter } from '../transport/otlp-grpc.ts';
import { OtlpHttpExporter } from '../transport/otlp-http.ts';
import { StackTable, samplesWithin } from './cpu-profile.ts';
import { Windows } from './windows.ts';

export interface SlowProfilerOptions extends EndpointOptions {
  readonly protocol: 'grpc' | 'http/protobuf';
  /** Between two samples. */
  readonly intervalMs: number;
  /** Serialized `opentelemetry.proto.resource.v1.Resource`. */
  readonly resource: Uint8Array;
  readonly clock: Clock;
  /** Runs what nothing may observe. */
  readonly unobserved: (run: () => void) => void;
  readonly say: (line: string) => void;
}

/** What became of the local roots that were slow, each in one of them; every number only grows. */
export interface ProfileCounters {
  /** The receiver has its profile. */
  sent: number;
  /** It waited all the time: there is nothing to say. */
  idle: number;
  /** There were too many of them. */
  skipped: number;
  /** Its profile was too large. */
  too_large: number;
  /** The receiver refused it, or did not answer. */
  failed: number;
}

/** A local root that has ended; times in nanoseconds by the monotonic clock. */
interface SlowRoot {
  readonly identity: IdWords;
  readonly from: number;
  readonly to: number;
  /** What makes wall time of them. */
  readonly offset: number;
}

const SCOPE = 'tricord/profile';
const NANOS_PER_MS = 1e6;
const MS_PER_MINUTE = 60_000;
const ID_BYTES = 16;
const BYTES_START = 64 * 1024;

export class SlowProfiler {
  readonly counters: ProfileCounters = { sent: 0, idle: 0, skipped: 0, too_large: 0, failed: 0 };
  readonly #options: SlowProfilerOptions;
  readonly #exporter: OtlpGrpcExporter | OtlpHttpExporter;
  #windows: Windows | undefined;
  #timer: NodeJS.Timeout | undefined;
  #slow: SlowRoot[] = [];
  /** When the last captures began, oldest first. */
  #captures: number[] = [];
  readonly #underWay = new Set<Promise<void>>();

  /** Begins to sample. @throws Error where this Node.js has no inspector */
  constructor(options: SlowProfilerOptions) {
    this.#options = options;
    this.#exporter =
      options.protocol === 'grpc' ? new OtlpGrpcExporter(options) : new OtlpHttpExporter(options);
    this.#windows = new Windows(options.clock, options.intervalMs);
    this.#timer = setInterval(() => this.#windows?.rotate(), limits.profile_window_ms);
    this.#timer.unref();
  }

  /**
   * A local root was slow. Its profile is made when the event loop turns; never throws.
   * @param startTime and the other times as its span has them: nanoseconds since the anchor
   * @param offset of the clock at its start
   */
  ended(identity: IdWords, startTime: number, endTime: number, offset: number): void {
    if (this.#windows === undefined || !this.#admits()) {
      this.counters.skipped++;
      return;
    }
    this.#slow.push({ identity, from: startTime - offset, to: endTime - offset, offset });
    if (this.#slow.length === 1) setImmediate(() => this.#capture()).unref();
  }

  /** So many captures in a minute, and so many roots in each. */
  #admits(): boolean {
    if (this.#slow.length > 0) return this.#slow.length < limits.profiles_at_once_max;
    const now = performance.now();
    this.#captures = this.#captures.filter(at => now - at < MS_PER_MINUTE);
    if (this.#captures.length >= limits.profiles_per_minute_max) return false;
    this.#captures.push(now);
    return true;
  }

  #capture(): void {
    const slow = this.#slow;
    this.#slow = [];
    if (this.#windows === undefined) return;
    try {
      const windows = this.#windows.rotate();
      const table = new StackTable();
      const began = windows[0]?.startTime ?? Number.POSITIVE_INFINITY;
      const profiles = slow.map(({ identity, from, to, offset }): ProfileRecord => {
        const start = Math.max(from, began);
        return {
          id: randomBytes(ID_BYTES),
          identity,
          startTime: start + offset,
          durationNanos: Math.max(0, Math.round(to - start)),
          samples: samplesWithin(windows, start, to, offset, table),
        };
      });
      this.#send(profiles, table);
    } catch (error) {
      this.#giveUp(`no more profiles are made: ${(error as Error).message}`);
    }
  }

  #send(all: readonly ProfileRecord[], { frames, stacks }: StackTable): void {
    const profiles = all.filter(({ samples }) => samples.length > 0);
    this.counters.idle += all.length - profiles.length;
    if (profiles.length === 0) return;
    const { resource, intervalMs, clock } = this.#options;
    const periodNanos = intervalMs * NANOS_PER_MS;
    const buffer = written(clock.anchorUnixNanos, writer =>
      encodeProfiles(writer, { resource, scope: SCOPE, frames, stacks, periodNanos, profiles }),
    );
    if (buffer === undefined) {
      this.counters.too_large += profiles.length;
      return;
    }
    this.#options.unobserved(() => {
      const sending = this.#exporter
        .export({ signal: PROFILES, buffer })
        .then(outcome => this.#settle(outcome, profiles.length))
        .finally(() => this.#underWay.delete(sending));
      this.#underWay.add(sending);
    });
  }

  #settle(outcome: ExportOutcome, count: number): void {
    const rejected = outcome.kind === 'delivered' ? Math.min(outcome.rejected, count) : count;
    this.counters.sent += count - rejected;
    this.counters.failed += rejected;
    if (outcome.kind === 'delivered' || this.#windows === undefined) return;
    const { endpoint, say } = this.#options;
    if (outcome.kind === 'retry') say(`a profile could not be sent to ${endpoint}: ${outcome.reason}.`);
    else
      this.#giveUp(
        `the collector at ${endpoint} takes no profiles, so that none are made: ${outcome.reason}.`,
      );
  }

  #giveUp(line: string): void {
    this.#end();
    this.#options.say(line);
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#windows?.stop();
    this.#windows = undefined;
  }

  /** Waits for what is being sent, within the time. Keeps the process alive meanwhile. */
  async flush(withinMs: number): Promise<void> {
    if (this.#underWay.size === 0 && this.#slow.length === 0) return;
    const timeUp = Promise.withResolvers<void>();
    const timer = setTimeout(timeUp.resolve, withinMs);
    await new Promise(setImmediate);
    await Promise.race([Promise.all(this.#underWay), timeUp.promise]);
    clearTimeout(timer);
  }

  /** Samples no more, and closes the connection after {@link flush}. */
  async stop(withinMs: number): Promise<void> {
    await this.flush(withinMs);
    this.#end();
    this.#exporter.destroy();
  }
}

/** What `encode` writes, behind the headroom; undefined when that is more than a request of profiles may be. */
function written(anchorUnixNanos: bigint, encode: (writer: Writer) => void): Uint8Array | undefined {
  for (let size = BYTES_START; size <= limits.profile_bytes_max; size *= 2) {
    const writer = new Writer(new Uint8Array(HEADROOM_BYTES + size), anchorUnixNanos);
    writer.pos = HEADROOM_BYTES;
    encode(writer);
    if (!writer.overflowed) return writer.bytes.subarray(0, writer.pos);
  }
  return undefined;
}
