// One request that is being served, over HTTP/1 or HTTP/2: its span, and what is recorded when it ends.
import {
  type Attributes,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
} from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { isServerError } from './http-server-durations.ts';
import type { ActiveRequests, ServerMetrics } from './http-server-metrics.ts';
import {
  attributesOf,
  describeServerRequest,
  describeServerResponse,
  type RequestHead,
} from './http-server-request.ts';
import type { ServedCall } from './served-request.ts';

/** It says itself how its span begins. */
export class HttpServerCall<Head extends RequestHead = RequestHead> implements ServedCall, SpanOptions {
  readonly head: Head;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly startTime: number = performance.now();
  /** Counts it while it is under way. */
  readonly #active: ActiveRequests;
  /** Set by frameworks that say it themselves. */
  route: ServedCall['route'] = undefined;
  error: unknown = undefined;
  /** Whether the span has the attributes of the request. */
  #described = false;

  constructor(head: Head, active: ActiveRequests, tracer: Tracer, parent: ObservabilityContext) {
    this.head = head;
    this.#active = active;
    this.span = tracer.startSpan(active.spanName, this, parent);
    this.context = parent.withSpan(this.span, ObservabilityContext.timestampOf(this.startTime));
    if (this.context.identity?.sampled === true) this.#describe();
    active.count++;
  }

  get kind(): SpanKind {
    return SpanKind.SERVER;
  }

  /** Made for who asks: a sampler, or a span that is recorded. */
  get attributes(): Attributes {
    return attributesOf(this.head, this.#active.method, this.#active.scheme);
  }

  /** At the start of a span that is sampled, and at the end of one that is kept for what has become of it. */
  #describe(): void {
    if (this.#described) return;
    this.#described = true;
    describeServerRequest(this.span, this.head, this.#active.method, this.#active.scheme);
  }

  /**
   * @param context carries the labels that were set on the way, for the metric
   * @param statusCode undefined when no response had begun
   */
  end(
    durations: ServerMetrics['durations'],
    context: ObservabilityContext,
    route: string | undefined,
    statusCode: number | undefined,
  ): void {
    const { span, head } = this;
    const { method, scheme, spanName } = this.#active;
    this.#active.count--;
    const seconds = (performance.now() - this.startTime) / 1000;
    durations.record(seconds, context, route, method, scheme, statusCode, head.httpVersion);
    if (statusCode !== undefined && isServerError(statusCode)) span.setStatus({ code: SpanStatusCode.ERROR });
    if (span.isRecording()) {
      this.#describe();
      describeServerResponse(span, spanName, route, statusCode, this.error);
    }
    span.end();
  }
}
