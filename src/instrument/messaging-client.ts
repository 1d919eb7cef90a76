// Spans and metrics of what is done with messages, and the contexts that travel in their headers.
import type { Attributes, Span, SpanOptions, TextMapGetter, TextMapSetter } from '@opentelemetry/api';
import { metrics, propagation, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { type BindableHistogram, type BoundHistogram, ObservabilityContext } from '../index.ts';
import { BoundedCache } from './bounded-cache.ts';
import { errorType } from './error-type.ts';
import { attempt } from './fault.ts';
import {
  createInstruments,
  kindOfSpan,
  MESSAGING_SCOPE,
  Messaging,
  type MessagingInstruments,
  type MessagingOperation,
  metricAttributesOf,
  spanNameOf,
} from './messaging-conventions.ts';
import { observedPromise } from './observed-promise.ts';

/** How an operation failed. */
export interface MessagingFailure {
  readonly error: unknown;
  /** What `error.type` says of it. */
  readonly type: string;
}

/** Whether what was thrown is a failure, and which. */
type Judge = (error: unknown) => MessagingFailure | undefined;

/** Of an exception that says by its code or class what it is. */
export const failureOf = (error: unknown): MessagingFailure => ({ error, type: errorType(error) });

/** Headers of a message, as libraries hand them over: texts, or bytes of texts. */
export type Headers = Readonly<Record<string, unknown>>;

const setter: TextMapSetter<Record<string, unknown>> = {
  set: (headers, key, value) => {
    headers[key] = value;
  },
};

const textOf = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString() : undefined;
};

const getter: TextMapGetter<Headers> = {
  keys: headers => Object.keys(headers),
  get: (headers, key) => {
    const value = headers[key];
    return Array.isArray(value) ? value.flatMap(each => textOf(each) ?? []) : textOf(value);
  },
};

/** The context in which a message was created, as far as its headers tell. */
function creationContext(headers: Headers | undefined): ObservabilityContext {
  if (headers === undefined || headers === null) return ObservabilityContext.root;
  return ObservabilityContext.from(propagation.extract(ObservabilityContext.root, headers, getter));
}

/** Links of a span to the messages of one batch. */
const LINKS_MAX = 128;

/** Links the span of a batch to what has created its messages, as far as they tell, to the first of them if there are many. */
export function linkToMessages(span: Span, headers: readonly (Headers | undefined)[]): void {
  for (const each of headers.slice(0, LINKS_MAX)) {
    const { identity } = creationContext(each);
    if (identity !== undefined) span.addLink({ context: identity });
  }
}

/** An operation, and what was looked up for it. */
export class ObservedOperation {
  readonly operation: MessagingOperation;
  readonly tracer: Tracer;
  readonly spanName: string;
  readonly options: SpanOptions;
  readonly attributes: Attributes;
  readonly instruments: MessagingInstruments;
  /** Undefined where instruments cannot be bound, as those of another SDK. */
  readonly duration: BoundHistogram | undefined;

  constructor(operation: MessagingOperation, tracer: Tracer, instruments: MessagingInstruments) {
    this.operation = operation;
    this.tracer = tracer;
    this.spanName = spanNameOf(operation);
    this.options = { kind: kindOfSpan[operation.type] };
    this.attributes = metricAttributesOf(operation);
    this.instruments = instruments;
    this.duration = (instruments.duration as BindableHistogram).bind?.(this.attributes);
  }

  /** Starts it, in the active context if not in another; undefined where tracing is suppressed. */
  start(messages: number, parent?: ObservabilityContext): MessagingCall | undefined {
    const active = ObservabilityContext.active();
    return active.suppressed ? undefined : new MessagingCall(this, messages, parent ?? active);
  }

  /** Starts the processing of one message, as a child of what has created it, to which it links too as the conventions ask. */
  startFrom(headers: Headers | undefined): MessagingCall | undefined {
    const parent = creationContext(headers);
    const call = this.start(1, parent);
    const { identity } = parent;
    if (identity !== undefined && call?.span.isRecording()) call.span.addLink({ context: identity });
    return call;
  }
}

/** An operation that is under way. */
export class MessagingCall {
  readonly span: Span;
  readonly parent: ObservabilityContext;
  /** That of the span, sampled or not. */
  readonly context: ObservabilityContext;
  /** How many messages it has moved. */
  messages: number;
  readonly #observed: ObservedOperation;
  readonly #startedMs: number = performance.now();
  #isOver = false;

  constructor(observed: ObservedOperation, messages: number, parent: ObservabilityContext) {
    const { tracer, spanName, options, operation, attributes } = observed;
    this.#observed = observed;
    this.messages = messages;
    this.parent = parent;
    this.span = tracer.startSpan(spanName, options, parent);
    this.context = parent.withSpan(this.span);
    if (!this.span.isRecording()) return;
    this.span.setAttributes(attributes);
    if (operation.isAnonymous) {
      this.span.setAttribute(Messaging.destination, operation.destination ?? '');
      this.span.setAttribute(Messaging.anonymous, true);
    }
  }

  /**
   * A copy of the headers with the context of the span in it. Headers that have one already keep it, and the span is linked to it:
   * whoever put it there has created the message.
   */
  inject<Given extends Headers>(headers: Given | undefined): Given {
    const sent: Record<string, unknown> = { ...headers };
    const { identity } = creationContext(headers);
    if (identity === undefined) propagation.inject(this.context, sent, setter);
    else if (this.span.isRecording()) this.span.addLink({ context: identity });
    return sent as Given;
  }

  /** What `work` gives; if it throws, that is the failure of the call. */
  guard<Result>(work: () => Result, judge: Judge = failureOf): Result {
    try {
      return work();
    } catch (error) {
      this.end(judge(error));
      throw error;
    }
  }

  /** Does the work on messages in the context of the span, and ends with it, be it a promise or not. */
  run<Result>(work: () => Result, judge: Judge = failureOf): Result {
    return this.guard(() => observedPromise(this.context.run(work), this, judge), judge);
  }

  /** What comes after the first time is of no effect. Never throws. */
  end(failure?: MessagingFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    attempt(this.#observed.operation.system, () => this.#end(failure));
  }

  #end(failure: MessagingFailure | undefined): void {
    const { span, context, messages } = this;
    const { duration, attributes, instruments } = this.#observed;
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const outcome =
      failure === undefined ? attributes : { ...attributes, [Messaging.errorType]: failure.type };
    if (failure === undefined && duration !== undefined) duration.record(seconds, context);
    else instruments.duration.record(seconds, outcome, context);
    if (messages > 0) instruments.messages.add(messages, outcome, context);
    if (failure !== undefined && span.isRecording()) {
      span.setAttribute(Messaging.errorType, failure.type);
      if (failure.error instanceof Error) span.recordException(failure.error);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
  }
}

/** Calls that end as one. */
export const together = (calls: readonly MessagingCall[]): Pick<MessagingCall, 'end'> => ({
  end: failure => {
    for (const call of calls) call.end(failure);
  },
});

/** Destinations of one generation that are remembered. */
const DESTINATIONS_MAX = 500;

/** One and the same operation on many destinations. */
export class OperationsByDestination {
  readonly #client: MessagingClient;
  readonly #action: Omit<MessagingOperation, 'destination'>;
  readonly #known = new BoundedCache<ObservedOperation>(DESTINATIONS_MAX);

  constructor(client: MessagingClient, action: Omit<MessagingOperation, 'destination'>) {
    this.#client = client;
    this.#action = action;
  }

  on(destination: string): ObservedOperation {
    let operation = this.#known.get(destination);
    if (operation === undefined) {
      operation = this.#client.observe({ ...this.#action, destination });
      this.#known.set(destination, operation);
    }
    return operation;
  }
}

/** Makes the spans and metrics of everything that is done with messages. */
export class MessagingClient {
  readonly #tracer = trace.getTracer(MESSAGING_SCOPE);
  readonly #instruments = createInstruments(metrics.getMeter(MESSAGING_SCOPE));

  /** Asked once for each operation. */
  observe(operation: MessagingOperation): ObservedOperation {
    return new ObservedOperation(operation, this.#tracer, this.#instruments[operation.type]);
  }
}
