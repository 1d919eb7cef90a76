// The metrics of HTTP servers, HTTP/1 and HTTP/2 together: durations, and requests under way.
import type { Attributes, ObservableResult } from '@opentelemetry/api';
import { metrics } from '@opentelemetry/api';
import { durationBuckets, HTTP_SCOPE, Http, knownMethod, methodInName } from './http-conventions.ts';
import { ServerDurations } from './http-server-durations.ts';

/** Requests of one method and scheme that are under way: read when metrics are collected, so that one costs two additions. */
export class ActiveRequests {
  count = 0;
  readonly method: string;
  readonly scheme: string;
  /** What a span is called until its route is known. */
  readonly spanName: string;
  readonly attributes: Attributes;

  constructor(method: string, scheme: string) {
    this.method = method;
    this.scheme = scheme;
    this.spanName = methodInName(method);
    this.attributes = { [Http.method]: method, [Http.scheme]: scheme };
  }
}

let shared: ServerMetrics | undefined;

export class ServerMetrics {
  readonly durations: ServerDurations;
  readonly #active = { http: new Map<string, ActiveRequests>(), https: new Map<string, ActiveRequests>() };

  /** The one of all servers. */
  static get(): ServerMetrics {
    shared ??= new ServerMetrics();
    return shared;
  }

  private constructor() {
    const meter = metrics.getMeter(HTTP_SCOPE);
    this.durations = new ServerDurations(
      meter.createHistogram('http.server.request.duration', {
        unit: 's',
        description: 'Duration of HTTP server requests.',
        advice: { explicitBucketBoundaries: durationBuckets },
      }),
    );
    meter
      .createObservableUpDownCounter('http.server.active_requests', {
        unit: '{request}',
        description: 'Number of active HTTP server requests.',
      })
      .addCallback(result => this.#observeActive(result));
  }

  activeOf(requestMethod: string | undefined, scheme: 'http' | 'https'): ActiveRequests {
    const method = knownMethod(requestMethod);
    let active = this.#active[scheme].get(method);
    if (active === undefined) {
      active = new ActiveRequests(method, scheme);
      this.#active[scheme].set(method, active);
    }
    return active;
  }

  #observeActive(result: ObservableResult): void {
    for (const byMethod of Object.values(this.#active)) {
      for (const { count, attributes } of byMethod.values()) result.observe(count, attributes);
    }
  }
}
