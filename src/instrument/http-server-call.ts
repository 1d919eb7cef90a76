// One request that is being served, over HTTP/1 or HTTP/2: its span, and what is recorded when it ends.
import { type Span, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { isServerError } from './http-server-durations.ts';
import type { ActiveRequests, ServerMetrics } from './http-server-metrics.ts';
import {
  describeServerRequest,
  describeServerResponse,
  type RequestHead,
  ServerSpanOptions,
} from './http-server-request.ts';
import type { ServedCall } from './served-request.ts';

export class HttpServerCall<Head extends RequestHead = RequestHead> implements ServedCall {
  readonly head: Head;
  readonly span: Span;
  readonly context: ObservabilityContext;
  readonly #startedMs: number = performance.now();
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
    const options = new ServerSpanOptions(head, active.method, active.scheme, this.#startedMs);
    this.span = tracer.startSpan(active.spanName, options, parent);
    this.context = parent.withSpan(this.span, ObservabilityContext.timestampOf(this.#startedMs));
    this.#describe();
    active.count++;
  }

  /** Again at the end: by then a span may be recorded that was not when it began. */
  #describe(): void {
    if (this.#described || !this.span.isRecording()) return;
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
    const seconds = (performance.now() - this.#startedMs) / 1000;
    durations.record(seconds, context, route, method, scheme, statusCode, head.httpVersion);
    if (statusCode !== undefined && isServerError(statusCode)) span.setStatus({ code: SpanStatusCode.ERROR });
    this.#describe();
    if (span.isRecording()) describeServerResponse(span, spanName, route, statusCode, this.error);
    span.end();
  }
}
