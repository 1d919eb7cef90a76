// A budget of log records below WARN: the share of them that it has room for.
import { Severity } from '../transport/otlp/severity.ts';

const WINDOW_NANOS = 1e9;
/** Within a window a share is made anew when this many times the records have come that it was made for. */
const SURGE = 2;

/**
 * Shares follow from what came in the second before, and fall within a second when more comes than that:
 *
 *     records of a second   B     │   8B                                       budget B
 *     share                 1     │ 1   1/2   1/4    1/8 │ 1/8 …
 *                                 0   B 2B    4B      8B
 *
 * A share r leaves r of INFO and r² of what is below it. As it is made before the record that it is applied to, what is kept,
 * each with its weight, counts what there was.
 */
export class Budget {
  readonly #perSecond: number;
  #share = 1;
  #end = Number.NEGATIVE_INFINITY;
  /** Records of the window under way. */
  #infos = 0;
  #debugs = 0;
  /** When so many have come the share is made anew. */
  #surgeAt = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Counts a record below WARN that comes `now`, in nanoseconds; the share of INFO that is kept, above 0 to 1. */
  share(severity: number, now: number): number {
    if (now >= this.#end) this.#turn(now);
    if (severity >= Severity.info) this.#infos++;
    else this.#debugs++;
    if (this.#infos + this.#debugs >= this.#surgeAt) this.#remake(this.#share);
    return this.#share;
  }

  /** A window ends: its records are those that the next one's share is made for. After one without records there are none. */
  #turn(now: number): void {
    if (now - this.#end >= WINDOW_NANOS) {
      this.#infos = 0;
      this.#debugs = 0;
    }
    this.#remake(1);
    this.#infos = 0;
    this.#debugs = 0;
    this.#end = now + WINDOW_NANOS;
  }

  #remake(most: number): void {
    this.#share = Math.min(most, shareOf(this.#perSecond, this.#infos, this.#debugs));
    this.#surgeAt = SURGE * Math.max(this.#perSecond, this.#infos + this.#debugs);
  }
}

/** The r for which r · infos + r² · debugs are as many as there is room for. */
function shareOf(room: number, infos: number, debugs: number): number {
  if (infos + debugs <= room) return 1;
  if (debugs === 0) return room / infos;
  return (Math.sqrt(infos * infos + 4 * debugs * room) - infos) / (2 * debugs);
}
