// The one clock: monotonic nanoseconds counted from an anchor in wall time.
import { performance } from 'node:perf_hooks';
import type { TimeInput } from '@opentelemetry/api';

const NANOS_PER_MS = 1e6;
const NANOS_PER_SECOND = 1_000_000_000n;
/** A number below this is a `performance.now()` reading (3 years of uptime), above it milliseconds since the epoch (1973). */
const PERFORMANCE_NOW_MS_MAX = 1e11;
/** How far `performance.timeOrigin` may be off the wall clock before its finer resolution is worth nothing. */
const ORIGIN_ERROR_MS_MAX = 2;
const CHECK_INTERVAL_MS = 10_000;
const DRIFT_MS_MAX = 100;

/** Where a clock reads time; both in milliseconds. */
export interface TimeSource {
  /** Monotonic, never steps. */
  monotonic(): number;
  /** Wall time since the Unix epoch; may step in either direction. */
  wall(): number;
}

const systemTime: TimeSource = { monotonic: () => performance.now(), wall: () => Date.now() };

/**
 * Times of records are float64 nanoseconds since `anchorUnixNanos`, which never changes (the wire writer adds it).
 *
 * Drift policy: `elapsed()` follows the monotonic clock alone, so a duration survives any step of the wall clock.
 * `now()` is `elapsed() + offset`. Every 10 s of use the wall clock is looked at; when the two are more than 100 ms
 * apart (a stepped clock, a suspended machine, weeks of drift) `offset` moves, for what starts after that. Whoever
 * measures a duration keeps the `offset` it started with (`elapsed() + offset at start`), and is not stretched.
 */
export class Clock {
  /** Wall time that all times count from, in nanoseconds since the Unix epoch. */
  readonly anchorUnixNanos: bigint;
  /** What `now()` adds to `elapsed()`, in nanoseconds. */
  offset = 0;
  readonly #source: TimeSource;
  readonly #startMs: number;
  readonly #anchorMs: number;
  readonly #anchorSeconds: number;
  readonly #anchorSubsecondNanos: number;
  #checkAtMs: number;

  constructor(source: TimeSource = systemTime) {
    this.#source = source;
    this.#startMs = source.monotonic();
    this.#anchorMs = anchorMs(source.wall(), this.#startMs);
    this.anchorUnixNanos = BigInt(Math.round(this.#anchorMs * 1000)) * 1000n;
    this.#anchorSeconds = Number(this.anchorUnixNanos / NANOS_PER_SECOND);
    this.#anchorSubsecondNanos = Number(this.anchorUnixNanos % NANOS_PER_SECOND);
    this.#checkAtMs = this.#startMs + CHECK_INTERVAL_MS;
  }

  /** Nanoseconds since the anchor, in wall time. */
  now(): number {
    const monotonicMs = this.#source.monotonic();
    if (monotonicMs >= this.#checkAtMs) this.#check(monotonicMs);
    return (monotonicMs - this.#startMs) * NANOS_PER_MS + this.offset;
  }

  /** Nanoseconds since the anchor by the monotonic clock alone: never steps, never runs backwards. */
  elapsed(): number {
    return (this.#source.monotonic() - this.#startMs) * NANOS_PER_MS;
  }

  #check(monotonicMs: number): void {
    this.#checkAtMs = monotonicMs + CHECK_INTERVAL_MS;
    const wallMs = this.#source.wall() - this.#anchorMs;
    const drift = wallMs - (monotonicMs - this.#startMs) - this.offset / NANOS_PER_MS;
    if (Math.abs(drift) > DRIFT_MS_MAX) this.offset += drift * NANOS_PER_MS;
  }

  /**
   * Nanoseconds since the anchor of an OpenTelemetry `TimeInput`: `[seconds, nanoseconds]` since the epoch,
   * milliseconds since the epoch, a `performance.now()` reading or a `Date`. Anything that is not a time is now.
   */
  fromTimeInput(time: TimeInput | undefined): number {
    let nanos = Number.NaN;
    try {
      nanos = this.#convert(time);
    } catch {
      // A Proxy in place of a time.
    }
    return Number.isFinite(nanos) ? nanos : this.now();
  }

  /** Nanoseconds since the anchor of milliseconds since the Unix epoch. */
  fromUnixMillis(millis: number): number {
    return (millis - this.#anchorSeconds * 1000) * NANOS_PER_MS - this.#anchorSubsecondNanos;
  }

  /** Milliseconds since the Unix epoch of nanoseconds since the anchor. */
  toUnixMillis(nanos: number): number {
    return this.#anchorSeconds * 1000 + (this.#anchorSubsecondNanos + nanos) / NANOS_PER_MS;
  }

  #convert(time: TimeInput | undefined): number {
    if (typeof time === 'number') {
      if (time >= PERFORMANCE_NOW_MS_MAX) return this.fromUnixMillis(time);
      if (time >= this.#checkAtMs) this.#check(this.#source.monotonic());
      return (time - this.#startMs) * NANOS_PER_MS + this.offset;
    }
    if (Array.isArray(time)) {
      return (time[0] - this.#anchorSeconds) * 1e9 + (time[1] - this.#anchorSubsecondNanos);
    }
    return time instanceof Date ? this.fromUnixMillis(time.getTime()) : Number.NaN;
  }
}

/** Wall time now, to the microsecond when the process' own time origin still agrees with the wall clock. */
function anchorMs(wallMs: number, monotonicMs: number): number {
  const fine = performance.timeOrigin + monotonicMs;
  return Math.abs(fine - wallMs) <= ORIGIN_ERROR_MS_MAX ? fine : wallMs;
}

/** The clock of this process: contexts, spans, log records and points share it, so that their times compare. */
export const processClock: Clock = new Clock();
