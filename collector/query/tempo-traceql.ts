// TraceQL's span filters as the store's conditions; what is beyond them is refused by name.
import { parser } from '@grafana/lezer-traceql';
import type { SpanCondition, SpanFilter } from '../store/store.ts';

/** An expression that is malformed or not supported; the message quotes the part that is meant. */
export class TraceQlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TraceQlError';
  }
}

export interface TraceQlQuery {
  readonly filter: SpanFilter;
  /** The fields that the query mentions: what the answer shows of each span. */
  readonly fields: readonly Field[];
}

export type Field = Pick<SpanCondition, 'scope' | 'field'>;

type Node = ReturnType<typeof parser.parse>['topNode'];
type Op = SpanCondition['op'];
type Value = SpanCondition['value'];

/** Conjunctions that `&&` over `||` may multiply into. */
const CONJUNCTIONS_MAX = 64;
const QUERY_LENGTH_MAX = 16_384;

/**
 * `{ conditions }` with `&&`, `||` and parentheses inside, `||` between filters, `| select(…)` behind them. An empty text
 * is `{}`.
 * @throws TraceQlError
 */
export function parseTraceQl(query: string): TraceQlQuery {
  if (query.trim() === '') return { filter: [[]], fields: [] };
  if (query.length > QUERY_LENGTH_MAX) {
    throw new TraceQlError(`the query is longer than QUERY_LENGTH_MAX = ${QUERY_LENGTH_MAX} characters`);
  }
  return new Translator(query).query();
}

class Translator {
  readonly #text: string;
  readonly #fields: Field[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  query(): TraceQlQuery {
    const { topNode } = parser.parse(this.#text);
    this.#refuseErrors(topNode);
    const [pipeline, ...rest] = children(topNode);
    for (const node of rest) if (node.name !== 'WithHint') throw this.#unsupported(node);
    if (pipeline === undefined) throw new TraceQlError('the query is empty');
    const filter = this.#spansets(pipeline);
    return { filter, fields: this.#fields };
  }

  #refuseErrors(node: Node): void {
    if (node.type.isError) {
      const near = this.#text.slice(node.from, node.from + 40);
      throw new TraceQlError(
        near === '' ? 'the query ends too early' : `parse error at position ${node.from}, near "${near}"`,
      );
    }
    for (const child of children(node)) this.#refuseErrors(child);
  }

  #spansets(node: Node): SpanFilter {
    const parts = children(node);
    if (node.name === 'SpansetFilter') return parts.length === 0 ? [[]] : this.#expression(parts[0]!);
    if (parts.length === 1 && transparent.has(node.name)) return this.#spansets(parts[0]!);
    const [left, operator, right] = parts;
    if (operator?.name === 'Or') return this.#any([this.#spansets(left!), this.#spansets(right!)], node);
    if (operator?.name === 'Pipe') {
      const filter = this.#spansets(left!);
      this.#select(right!);
      return filter;
    }
    throw this.#unsupported(node);
  }

  /** `select(a, b)`: fields to show. Every other stage of a pipeline is refused. */
  #select(node: Node): void {
    if (node.name === 'FieldExpression') {
      this.#fields.push(this.#field(node));
      return;
    }
    if (!transparent.has(node.name) && node.name !== 'SelectOperation' && node.name !== 'SelectArgs') {
      throw this.#unsupported(node);
    }
    for (const child of children(node)) this.#select(child);
  }

  #expression(node: Node): SpanFilter {
    const parts = children(node);
    if (parts.length === 1) return this.#single(node, parts[0]!);
    const [left, operator, right] = parts;
    if (operator?.name === 'And') return this.#all(this.#expression(left!), this.#expression(right!), node);
    if (operator?.name === 'Or') return this.#any([this.#expression(left!), this.#expression(right!)], node);
    if (operator?.name === 'FieldOp') return [[this.#condition(node, left!, operator, right!)]];
    throw this.#unsupported(node);
  }

  /** Parentheses, `true`, `false`, or an attribute that is meant to be true. */
  #single(node: Node, child: Node): SpanFilter {
    if (/^[!-]/.test(this.#source(node))) throw this.#unsupported(node);
    if (child.name === 'FieldExpression') return this.#expression(child);
    if (child.name === 'AttributeField') {
      return [[{ ...this.#mentioned(node), op: '=', value: true }]];
    }
    const text = this.#source(child);
    if (child.name === 'Static' && text === 'true') return [[]];
    if (child.name === 'Static' && text === 'false') return [];
    throw this.#unsupported(node);
  }

  #all(left: SpanFilter, right: SpanFilter, node: Node): SpanFilter {
    return this.#bounded(
      left.flatMap(one => right.map(other => [...one, ...other])),
      node,
    );
  }

  #any(filters: readonly SpanFilter[], node: Node): SpanFilter {
    return this.#bounded(filters.flat(), node);
  }

  #bounded(filter: SpanFilter, node: Node): SpanFilter {
    if (filter.length <= CONJUNCTIONS_MAX) return filter;
    throw new TraceQlError(
      `more than CONJUNCTIONS_MAX = ${CONJUNCTIONS_MAX} alternatives in "${this.#source(node)}"`,
    );
  }

  #condition(node: Node, left: Node, operator: Node, right: Node): SpanCondition {
    const op = this.#source(operator);
    if (!operators.has(op)) throw this.#unsupported(node);
    const leftValue = this.#value(left);
    if (leftValue === undefined) {
      const field = this.#mentioned(left);
      const value = this.#value(right);
      if (value === undefined) throw this.#unsupported(node);
      return this.#checked({ ...field, op: op as Op, value: this.#keyword(field, value) }, node);
    }
    const mirroredOp = mirrored.get(op);
    if (mirroredOp === undefined || this.#value(right) !== undefined) throw this.#unsupported(node);
    const field = this.#mentioned(right);
    return this.#checked({ ...field, op: mirroredOp, value: this.#keyword(field, leftValue) }, node);
  }

  #checked(condition: SpanCondition, node: Node): SpanCondition {
    const { op, value } = condition;
    const pattern = op === '=~' || op === '!~';
    if (pattern && typeof value !== 'string') throw this.#unsupported(node);
    if ((value === null || typeof value === 'boolean') && op !== '=' && op !== '!=')
      throw this.#unsupported(node);
    return condition;
  }

  #mentioned(node: Node): Field {
    const field = this.#field(node);
    this.#fields.push(field);
    return field;
  }

  #field(node: Node): Field {
    const [child] = children(node);
    if (child?.name === 'IntrinsicField') {
      const field = intrinsics.get(this.#source(child));
      if (field !== undefined) return { scope: 'intrinsic', field };
    }
    if (child?.name !== 'AttributeField') throw this.#unsupported(node);
    const parts = children(child);
    const name = unquoted(this.#source(parts.at(-1)!));
    if (parts.length === 1) return { scope: 'any', field: name };
    const scope = parts[0]!.name;
    if (scope === 'Span') return { scope: 'span', field: name };
    if (scope !== 'Resource') throw this.#unsupported(node);
    return name === 'service.name'
      ? { scope: 'intrinsic', field: 'service' }
      : { scope: 'resource', field: name };
  }

  /** The value of a literal; undefined for what is none. */
  #value(node: Node): Value | Keyword | undefined {
    const text = this.#source(node);
    const [child] = children(node);
    if (text.startsWith('-') && child?.name === 'FieldExpression') {
      const value = this.#value(child);
      return typeof value === 'number' || typeof value === 'bigint' ? -value : undefined;
    }
    if (child?.name !== 'Static') return undefined;
    const literal = children(child)[0];
    if (literal === undefined) return words.has(text) ? words.get(text) : new Keyword(text);
    if (literal.name === 'String') return unquoted(text);
    if (literal.name === 'Duration') return durationNanos(text);
    return literal.name === 'Integer' || literal.name === 'Float' ? Number(text) : undefined;
  }

  /** `error`, `server` and the like have a number where the field is a status or kind, and nowhere else a meaning. */
  #keyword(field: Field, value: Value | Keyword): Value {
    if (!(value instanceof Keyword)) return value;
    const { text } = value;
    const number = field.scope === 'intrinsic' ? keywords.get(field.field)?.indexOf(text) : undefined;
    if (number !== undefined && number >= 0) return number;
    throw new TraceQlError(`"${text}" is no value of ${field.field}`);
  }

  #source(node: Node): string {
    return this.#text.slice(node.from, node.to);
  }

  #unsupported(node: Node): TraceQlError {
    return new TraceQlError(`not supported in TraceQL: "${this.#source(node)}"`);
  }
}

/** A bare word whose meaning depends on the field that it is compared with. */
class Keyword {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const transparent: ReadonlySet<string> = new Set([
  'SpansetPipelineExpression',
  'WrappedSpansetPipeline',
  'SpansetPipeline',
  'SpansetExpression',
]);

const operators: ReadonlySet<string> = new Set(['=', '!=', '>', '>=', '<', '<=', '=~', '!~']);

/** `5 < .x` is `.x > 5`. */
const mirrored: ReadonlyMap<string, Op> = new Map([
  ['=', '='],
  ['!=', '!='],
  ['<', '>'],
  ['<=', '>='],
  ['>', '<'],
  ['>=', '<='],
]);

const words: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['false', false],
  ['nil', null],
]);

/** In the order of their numbers in OTLP. */
const keywords: ReadonlyMap<string, readonly string[]> = new Map([
  ['status', ['unset', 'ok', 'error']],
  ['kind', ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']],
]);

/** TraceQL's names of intrinsics, with and without their scope, and the store's. */
export const intrinsics: ReadonlyMap<string, string> = new Map([
  ['name', 'name'],
  ['span:name', 'name'],
  ['status', 'status'],
  ['span:status', 'status'],
  ['statusMessage', 'statusMessage'],
  ['span:statusMessage', 'statusMessage'],
  ['kind', 'kind'],
  ['span:kind', 'kind'],
  ['duration', 'duration'],
  ['span:duration', 'duration'],
  ['span:id', 'spanId'],
  ['span:parentID', 'parentId'],
  ['trace:id', 'traceId'],
  ['rootName', 'rootName'],
  ['trace:rootName', 'rootName'],
  ['rootServiceName', 'rootServiceName'],
  ['trace:rootService', 'rootServiceName'],
  ['traceDuration', 'traceDuration'],
  ['trace:duration', 'traceDuration'],
]);

function children(node: Node): Node[] {
  const found: Node[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (!child.name.endsWith('Comment')) found.push(child);
  }
  return found;
}

/** `"a \"b\""`, `` `a` `` and attribute names that are quoted in parts. */
function unquoted(text: string): string {
  return text.replace(/"((?:[^"\\]|\\.)*)"|`([^`]*)`/g, (_all, double: string | undefined, raw: string) =>
    double === undefined
      ? raw
      : double.replace(/\\(.)/g, (_pair, character: string) => escapes.get(character) ?? character),
  );
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

const unitNanos: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
  ['d', 86_400e9],
]);

/** `1.5s`, `1h30m`, in nanoseconds. @throws TraceQlError */
export function durationNanos(text: string): bigint {
  let nanos = 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$/.test(text)) {
    throw new TraceQlError(`"${text}" is no duration; write a number with a unit, as in 100ms`);
  }
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)) {
    nanos += Number(amount) * unitNanos.get(unit!)!;
  }
  return BigInt(Math.round(nanos));
}
