// Records how long requests took: the attributes of each kind of request are looked up once, and then known by its route.
import type { Attributes, Context, Histogram } from '@opentelemetry/api';
import type { BindableHistogram, BoundHistogram } from '../index.ts';
import { Http } from './http-conventions.ts';

/** Routes, and kinds of requests of one route, that are remembered; others are recorded by their attributes. */
const ROUTES_MAX = 1000;
const KINDS_MAX = 32;

export const isServerError = (statusCode: number): boolean => statusCode >= 500;

/** Requests that are alike in all that the metric tells apart. */
interface Kind {
  readonly method: string;
  readonly scheme: string;
  readonly statusCode: number | undefined;
  readonly version: string;
  readonly duration: BoundHistogram;
}

/** `http.server.request.duration` (semantic conventions, "HTTP metrics"). */
export class ServerDurations {
  readonly #histogram: BindableHistogram;
  readonly #kinds = new Map<string | undefined, Kind[]>();

  constructor(histogram: Histogram) {
    this.#histogram = histogram;
  }

  /** @param statusCode undefined when no response was sent */
  record(
    seconds: number,
    context: Context,
    route: string | undefined,
    method: string,
    scheme: string,
    statusCode: number | undefined,
    version: string,
  ): void {
    const kinds = this.#kinds.get(route);
    if (kinds !== undefined) {
      for (let i = 0; i < kinds.length; i++) {
        const kind = kinds[i]!;
        if (kind.statusCode !== statusCode || kind.method !== method) continue;
        if (kind.scheme !== scheme || kind.version !== version) continue;
        kind.duration.record(seconds, context);
        return;
      }
    }
    const attributes = attributesOf(route, method, scheme, statusCode, version);
    this.#histogram.record(seconds, attributes, context);
    this.#remember(kinds, route, { method, scheme, statusCode, version }, attributes);
  }

  /** Where instruments can be bound, which those of another SDK cannot. */
  #remember(
    kinds: Kind[] | undefined,
    route: string | undefined,
    kind: Omit<Kind, 'duration'>,
    attributes: Attributes,
  ): void {
    const duration = this.#histogram.bind?.(attributes);
    if (duration === undefined) return;
    if (kinds !== undefined) {
      if (kinds.length < KINDS_MAX) kinds.push({ ...kind, duration });
    } else if (this.#kinds.size < ROUTES_MAX) this.#kinds.set(route, [{ ...kind, duration }]);
  }
}

function attributesOf(
  route: string | undefined,
  method: string,
  scheme: string,
  statusCode: number | undefined,
  version: string,
): Attributes {
  const failed = statusCode !== undefined && isServerError(statusCode);
  return {
    [Http.method]: method,
    [Http.scheme]: scheme,
    [Http.statusCode]: statusCode,
    [Http.route]: route,
    [Http.protocolVersion]: version,
    [Http.errorType]: failed ? String(statusCode) : undefined,
  };
}
