// A span for each GraphQL operation that is executed.
import type { Attributes, Span, Tracer } from '@opentelemetry/api';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { attempt } from './fault.ts';
import { type GraphqlDocument, operationOf, textOf } from './graphql-document.ts';
import { Http } from './http-conventions.ts';

const SPAN: unique symbol = Symbol('tricord.graphql-execution');
const SUBSCRIPTION = 'subscription';
const SELF = 'graphql';
/** Errors of one operation that are told. */
const ERRORS_MAX = 8;

/** What an operation is executed with. */
interface ExecutionArgs {
  readonly document: GraphqlDocument;
  readonly operationName?: unknown;
}

/** One execution, as the channels of graphql 17 tell of it. */
export interface Message extends ExecutionArgs {
  readonly result?: unknown;
  readonly error?: unknown;
  [SPAN]?: Execution | undefined;
}

interface Execution {
  readonly span: Span;
  readonly caller: ObservabilityContext;
  readonly context: ObservabilityContext;
}

interface GraphqlError extends Error {
  readonly originalError?: Error | undefined;
  readonly extensions?: { readonly code?: unknown };
}

type Execute = (args: ExecutionArgs) => unknown;

export class Operations {
  readonly #tracer: Tracer = trace.getTracer('tricord/graphql');

  /** The function begins, in the context that is entered here. */
  start(message: Message): void {
    const execution = isDocument(message.document) ? this.#begin(message) : undefined;
    message[SPAN] = execution;
    if (execution !== undefined) ObservabilityContext.enter(execution.context);
  }

  /** The function is over; a promise that it returned ends later. */
  returned(message: Message): void {
    const execution = message[SPAN];
    if (execution === undefined) return;
    ObservabilityContext.enter(execution.caller);
    if ('error' in message || 'result' in message) end(execution, message.error, message.result);
  }

  /** So has the promise. */
  settled(message: Message): void {
    if (message[SPAN] !== undefined) end(message[SPAN], message.error, message.result);
  }

  /** The modules of graphql 16 that hold its functions; everybody, graphql itself included, asks these for them. */
  surround(exports: object): boolean {
    const module = exports as { execute?: Execute; subscribe?: Execute; buildExecutionContext?: unknown };
    // That of graphql 17, which tells by its channels.
    if ('validateExecutionArgs' in module) return false;
    const { execute, subscribe } = module;
    if (isOwn(module, 'execute') && execute !== undefined && 'buildExecutionContext' in module) {
      // Each event of a subscription is executed too.
      const isCounted = (type: string | undefined): boolean => type !== SUBSCRIPTION;
      module.execute = args => this.#run(execute, args, isCounted);
      return true;
    }
    if (!isOwn(module, 'subscribe') || subscribe === undefined) return false;
    module.subscribe = args => this.#run(subscribe, args, () => true);
    return true;
  }

  #run(execute: Execute, args: ExecutionArgs, isCounted: (type: string | undefined) => boolean): unknown {
    const execution = this.#beginSafely(args, isCounted);
    if (execution === undefined) return execute(args);
    let result: unknown;
    try {
      result = execution.context.run(execute, args);
    } catch (error) {
      end(execution, error, undefined);
      throw error;
    }
    if (result instanceof Promise) {
      result.then(
        value => end(execution, undefined, value),
        error => end(execution, error, undefined),
      );
    } else end(execution, undefined, result);
    return result;
  }

  /** Undefined too for what graphql is about to refuse. */
  #beginSafely(args: ExecutionArgs, isCounted: (type: string | undefined) => boolean): Execution | undefined {
    return attempt(SELF, () => (isDocument(args?.document) ? this.#begin(args, isCounted) : undefined));
  }

  #begin(
    { document, operationName }: ExecutionArgs,
    isCounted: (type: string | undefined) => boolean = () => true,
  ): Execution | undefined {
    const caller = ObservabilityContext.active();
    if (caller.suppressed) return undefined;
    const { type, name } = operationOf(document, operationName);
    if (!isCounted(type)) return undefined;
    const span = this.#tracer.startSpan(type ?? 'GraphQL Operation', { kind: SpanKind.SERVER }, caller);
    if (span.isRecording()) span.setAttributes(attributesOf(document, type, name));
    return { span, caller, context: caller.withSpan(span) };
  }
}

function attributesOf(
  document: GraphqlDocument,
  type: string | undefined,
  name: string | undefined,
): Attributes {
  return {
    'graphql.operation.type': type,
    'graphql.operation.name': name,
    'graphql.document': textOf(document),
  };
}

/** Never throws. */
function end({ span }: Execution, error: unknown, result: unknown): void {
  if (span.isRecording()) attempt(SELF, () => describeResult(span, error, result));
  span.end();
}

/** @param result `{ data, errors }`, the first part of one that comes in parts, or the events of a subscription */
function describeResult(span: Span, error: unknown, result: unknown): void {
  const parts = result as { errors?: unknown; initialResult?: { errors?: unknown } } | undefined;
  const told = parts?.errors ?? parts?.initialResult?.errors;
  const errors = error === undefined ? told : [error];
  if (Array.isArray(errors) && errors.length > 0) describeErrors(span, errors as GraphqlError[]);
}

function describeErrors(span: Span, errors: readonly GraphqlError[]): void {
  const [{ extensions, originalError, name }] = errors as [GraphqlError];
  const { code } = extensions ?? {};
  const type = typeof code === 'string' ? code : (originalError?.name ?? name);
  span.setAttribute(Http.errorType, type);
  for (const error of errors.slice(0, ERRORS_MAX)) span.recordException(error.originalError ?? error);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Whether the property can be given another value, which those that modules pass on cannot. */
function isOwn(module: object, name: string): boolean {
  return Object.getOwnPropertyDescriptor(module, name)?.writable === true;
}

function isDocument(document: unknown): document is GraphqlDocument {
  return Array.isArray((document as GraphqlDocument | undefined)?.definitions);
}
