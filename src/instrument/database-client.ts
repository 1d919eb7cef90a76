// Spans and durations of database operations: what is the same every time is looked up once for each place and operation.
import type { Attributes, Span, Tracer } from '@opentelemetry/api';
import { metrics, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { type BindableHistogram, type BoundHistogram, ObservabilityContext } from '../index.ts';
import {
  createOperationDuration,
  DATABASE_SCOPE,
  Db,
  metricAttributesOf,
  type Operation,
  type Place,
  spanNameOf,
} from './database-conventions.ts';
import { errorType } from './error-type.ts';
import { attempt } from './fault.ts';

const CLIENT = { kind: SpanKind.CLIENT } as const;
/** Places, and operations of one place, that are remembered; others are put together each time. */
const PLACES_MAX = 256;
const OPERATIONS_MAX = 1000;

/** How an operation failed, when it did. */
export interface Failure {
  readonly error: unknown;
  /** What the database itself said, if it was the database that failed it. */
  readonly statusCode: string | undefined;
}

/** Operations that are alike in all that the metric tells apart. */
interface Kind {
  readonly spanName: string;
  readonly attributes: Attributes;
  /** Undefined where instruments cannot be bound, as those of another SDK. */
  readonly duration: BoundHistogram | undefined;
}

/** A database at its place, and what was looked up for it. */
export class Database {
  readonly place: Place;
  readonly #client: DatabaseClient;
  readonly #kinds = new Map<string, Kind>();

  constructor(client: DatabaseClient, place: Place) {
    this.#client = client;
    this.place = place;
  }

  /** Starts an operation in the active context; undefined where tracing is suppressed. */
  start(operation: Operation): DatabaseCall | undefined {
    const parent = ObservabilityContext.active();
    if (parent.suppressed) return undefined;
    return new DatabaseCall(this.#client, this.place, this.#kindOf(operation), operation, parent);
  }

  #kindOf(operation: Operation): Kind {
    const known = this.#kinds.get(operation.key);
    if (known !== undefined) return known;
    const attributes = metricAttributesOf(operation, this.place);
    const isKept = this.#kinds.size < OPERATIONS_MAX;
    const duration = isKept ? this.#client.duration.bind?.(attributes) : undefined;
    const kind = { spanName: spanNameOf(operation, this.place), attributes, duration };
    if (isKept) this.#kinds.set(operation.key, kind);
    return kind;
  }
}

/** One operation that is under way. */
export class DatabaseCall {
  readonly span: Span;
  readonly parent: ObservabilityContext;
  readonly #client: DatabaseClient;
  readonly #place: Place;
  readonly #kind: Kind;
  readonly #startedMs: number = performance.now();
  #isOver = false;

  constructor(
    client: DatabaseClient,
    place: Place,
    kind: Kind,
    { text }: Operation,
    parent: ObservabilityContext,
  ) {
    this.#client = client;
    this.#place = place;
    this.#kind = kind;
    this.parent = parent;
    this.span = client.tracer.startSpan(kind.spanName, CLIENT, parent);
    if (!this.span.isRecording()) return;
    this.span.setAttributes(kind.attributes);
    if (text) this.span.setAttribute(Db.queryText, text);
  }

  /** What comes after the first time is of no effect. Never throws. */
  end(failure?: Failure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    attempt(this.#place.system, () => this.#end(failure));
  }

  #end(failure: Failure | undefined): void {
    const { span } = this;
    const { duration, attributes } = this.#kind;
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const context = span.isRecording() ? this.parent.withSpan(span) : this.parent;
    if (failure === undefined && duration !== undefined) duration.record(seconds, context);
    else {
      const outcome = failure === undefined ? undefined : failureAttributes(failure);
      this.#client.duration.record(seconds, { ...attributes, ...outcome }, context);
      if (outcome !== undefined && span.isRecording()) {
        span.setAttributes(outcome);
        if (isTellable(failure)) span.recordException(failure.error);
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
    }
    span.end();
  }
}

/** What a database says of a failure may have the statement's values in it. */
function isTellable(failure: Failure | undefined): failure is { error: Error; statusCode: undefined } {
  return failure?.error instanceof Error && failure.statusCode === undefined;
}

function failureAttributes({ error, statusCode }: Failure): Attributes {
  return { [Db.statusCode]: statusCode, [Db.errorType]: statusCode ?? errorType(error) };
}

/** Makes the spans and durations of all databases of one kind. */
export class DatabaseClient {
  readonly tracer: Tracer = trace.getTracer(DATABASE_SCOPE);
  readonly duration: BindableHistogram = createOperationDuration(metrics.getMeter(DATABASE_SCOPE));
  readonly #databases = new Map<string, Database>();

  /** Asked once for each connection: connections to the same place share what is looked up. */
  at(place: Place): Database {
    const key = JSON.stringify([place.system, place.namespace, place.address, place.port]);
    const known = this.#databases.get(key);
    if (known !== undefined) return known;
    const database = new Database(this, place);
    if (this.#databases.size < PLACES_MAX) this.#databases.set(key, database);
    return database;
  }
}
