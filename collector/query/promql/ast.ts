// The expressions of PromQL as the engine evaluates them.
import type { Matcher } from '../../store/store.ts';

export type Expression =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Call
  | Aggregation
  | Binary
  | Negation;

interface NumberLiteral {
  readonly type: 'number';
  readonly value: number;
}

interface StringLiteral {
  readonly type: 'string';
  readonly value: string;
}

/** Where in time a selector looks: `offset`, then `@`. Milliseconds. */
export interface TimeShift {
  readonly offset: number;
  readonly at?: number | 'start' | 'end' | undefined;
}

export interface VectorSelector extends TimeShift {
  readonly type: 'vector';
  readonly matchers: readonly Matcher[];
}

export interface MatrixSelector {
  readonly type: 'matrix';
  readonly vector: VectorSelector;
  /** Milliseconds. */
  readonly range: number;
}

export interface Subquery extends TimeShift {
  readonly type: 'subquery';
  readonly inner: Expression;
  readonly range: number;
  /** Milliseconds; undefined takes the query's own step. */
  readonly step?: number | undefined;
}

export interface Call {
  readonly type: 'call';
  readonly name: string;
  readonly args: readonly Expression[];
}

export interface Aggregation {
  readonly type: 'aggregation';
  readonly op: string;
  readonly inner: Expression;
  readonly parameter?: Expression | undefined;
  readonly grouping: Grouping;
}

export interface Grouping {
  /** True: all labels but these. */
  readonly without: boolean;
  readonly labels: readonly string[];
}

export interface Binary {
  readonly type: 'binary';
  readonly op: string;
  readonly left: Expression;
  readonly right: Expression;
  /** A comparison gives 0 or 1 instead of filtering. */
  readonly bool: boolean;
  readonly matching: VectorMatching;
}

export interface VectorMatching {
  /** True: on these labels only; false: on all but these. */
  readonly on: boolean;
  readonly labels: readonly string[];
  readonly group?: 'left' | 'right' | undefined;
  /** Labels that the "many" side takes over from the "one" side. */
  readonly include: readonly string[];
}

interface Negation {
  readonly type: 'negation';
  readonly inner: Expression;
}

/** What kind of value an expression has, by its syntax alone. */
export function kindOf(expression: Expression): 'scalar' | 'string' | 'vector' | 'matrix' {
  switch (expression.type) {
    case 'number':
      return 'scalar';
    case 'string':
      return 'string';
    case 'matrix':
    case 'subquery':
      return 'matrix';
    case 'call':
      return ['scalar', 'time', 'pi'].includes(expression.name) ? 'scalar' : 'vector';
    case 'negation':
      return kindOf(expression.inner);
    case 'binary':
      return kindOf(expression.left) === 'scalar' && kindOf(expression.right) === 'scalar'
        ? 'scalar'
        : 'vector';
    default:
      return 'vector';
  }
}

/** The query is wrong, or asks for what is not supported; the message names it and the place. */
export class QueryError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'QueryError';
  }
}
