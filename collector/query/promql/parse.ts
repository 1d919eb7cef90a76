// From PromQL text to expressions, on Prometheus's own grammar.
import { parser } from '@prometheus-io/lezer-promql';
import type { Matcher } from '../../store/store.ts';
import {
  type Aggregation,
  type Binary,
  type Expression,
  kindOf,
  QueryError,
  type VectorMatching,
  type VectorSelector,
} from './ast.ts';
import { parseDuration, unquote } from './literals.ts';

type Node = ReturnType<typeof parser.parse>['topNode'];

const EXPRESSION_DEPTH_MAX = 100;

const binaryOperators: Readonly<Record<string, string>> = {
  Add: '+',
  Sub: '-',
  Mul: '*',
  Div: '/',
  Mod: '%',
  Pow: '^',
  Atan2: 'atan2',
  EqlC: '==',
  Neq: '!=',
  Gtr: '>',
  Lss: '<',
  Gte: '>=',
  Lte: '<=',
  And: 'and',
  Or: 'or',
  Unless: 'unless',
};

/**
 * Parses a PromQL expression.
 * @throws QueryError with line and column for a syntax error, with the construct's name for what is not supported
 */
export function parsePromQL(text: string): Expression {
  const root = parser.parse(text).topNode;
  const reading = new Reading(text);
  reading.refuseErrors(root);
  if (root.firstChild === null) throw new QueryError('parse error: no expression found in input');
  return reading.expression(root.firstChild, 0);
}

/** The matchers of a bare selector, as `match[]` has it. @throws QueryError when it is anything else */
export function parseSelector(text: string): readonly Matcher[] {
  const expression = parsePromQL(text);
  if (expression.type !== 'vector') throw new QueryError(`"${text}" is not a series selector`);
  return expression.matchers;
}

class Reading {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  #textOf(node: Node): string {
    return this.#text.slice(node.from, node.to);
  }

  #fail(node: Node, message: string): never {
    const before = this.#text.slice(0, node.from).split('\n');
    throw new QueryError(`${before.length}:${before.at(-1)!.length + 1}: parse error: ${message}`);
  }

  refuseErrors(root: Node): void {
    root.cursor().iterate(node => {
      if (!node.type.isError) return;
      const rest = this.#text.slice(node.from, node.from + 20);
      this.#fail(node.node, rest === '' ? 'unexpected end of input' : `unexpected "${rest}"`);
    });
  }

  expression(node: Node, depth: number): Expression {
    if (depth > EXPRESSION_DEPTH_MAX)
      this.#fail(node, `expression nests deeper than ${EXPRESSION_DEPTH_MAX}`);
    const inner = (): Expression => this.expression(node.firstChild!, depth + 1);
    switch (node.name) {
      case 'ParenExpr':
        return inner();
      case 'NumberDurationLiteral':
        return { type: 'number', value: this.#number(node) };
      case 'StringLiteral':
        return { type: 'string', value: unquote(this.#textOf(node)) };
      case 'UnaryExpr':
        return this.#unary(node, depth);
      case 'VectorSelector':
        return this.#vector(node);
      case 'MatrixSelector':
        return {
          type: 'matrix',
          vector: this.#vectorOf(inner(), node),
          range: this.#duration(node.lastChild!),
        };
      case 'SubqueryExpr':
        return this.#subquery(node, depth);
      case 'OffsetExpr':
        return this.#shift(inner(), node, { offset: this.#duration(node.lastChild!) });
      case 'StepInvariantExpr':
        return this.#shift(inner(), node, { at: this.#at(node) });
      case 'FunctionCall':
        return this.#call(node, depth);
      case 'AggregateExpr':
        return this.#aggregation(node, depth);
      case 'BinaryExpr':
        return this.#binary(node, depth);
      default:
        return this.#fail(node, `${node.name} is not supported: "${this.#textOf(node)}"`);
    }
  }

  #number(node: Node): number {
    const text = this.#textOf(node).toLowerCase().replaceAll('_', '');
    if (text === 'inf') return Number.POSITIVE_INFINITY;
    const value = Number(text);
    if (text === 'nan' || !Number.isNaN(value)) return value;
    return parseDuration(text) / 1000;
  }

  /** Milliseconds of a duration, which may be a plain number of seconds and may be negative in an offset. */
  #duration(node: Node): number {
    if (node.name === 'OffsetDurationExpr' && node.firstChild?.name === 'UnaryOp')
      return -this.#duration(node.lastChild!);
    const text = this.#textOf(node);
    const seconds = Number(text);
    try {
      return Number.isNaN(seconds) ? parseDuration(text) : seconds * 1000;
    } catch {
      return this.#fail(node, `"${text}" is not a supported duration`);
    }
  }

  #unary(node: Node, depth: number): Expression {
    const inner = this.expression(node.lastChild!, depth + 1);
    return this.#textOf(node.firstChild!) === '-' ? { type: 'negation', inner } : inner;
  }

  #vector(node: Node): VectorSelector {
    const matchers: Matcher[] = [];
    const name = node.getChild('Identifier');
    if (name !== null) matchers.push({ name: '__name__', op: '=', value: this.#textOf(name) });
    for (const matcher of childrenOf(node.getChild('LabelMatchers'))) matchers.push(this.#matcher(matcher));
    if (matchers.every(({ op, value }) => value === '' && op === '=')) {
      this.#fail(node, 'vector selector must contain at least one non-empty matcher');
    }
    return { type: 'vector', matchers, offset: 0 };
  }

  #matcher(node: Node): Matcher {
    if (node.name === 'QuotedLabelName')
      return { name: '__name__', op: '=', value: unquote(this.#textOf(node)) };
    const [label, op, value] = childrenOf(node);
    if (label === undefined || op === undefined || value === undefined)
      this.#fail(node, 'incomplete label matcher');
    const name = this.#textOf(label!);
    return {
      name: label!.name === 'LabelName' ? name : unquote(name),
      op: this.#textOf(op!) as Matcher['op'],
      value: unquote(this.#textOf(value!)),
    };
  }

  #vectorOf(expression: Expression, node: Node): VectorSelector {
    if (expression.type === 'vector') return expression;
    return this.#fail(node, 'a range is only allowed behind a vector selector');
  }

  #subquery(node: Node, depth: number): Expression {
    const [inner, range, step] = childrenOf(node);
    return {
      type: 'subquery',
      inner: this.expression(inner!, depth + 1),
      range: this.#duration(range!),
      step: step === undefined ? undefined : this.#duration(step),
      offset: 0,
    };
  }

  #shift(
    expression: Expression,
    node: Node,
    shift: { offset?: number; at?: VectorSelector['at'] },
  ): Expression {
    if (expression.type === 'matrix') return { ...expression, vector: { ...expression.vector, ...shift } };
    if (expression.type === 'vector' || expression.type === 'subquery') return { ...expression, ...shift };
    return this.#fail(node, 'offset and @ are only allowed behind selectors and subqueries');
  }

  #at(node: Node): VectorSelector['at'] {
    const preprocessor = node.getChild('AtModifierPreprocessors');
    if (preprocessor !== null) return this.#textOf(preprocessor).startsWith('start') ? 'start' : 'end';
    return Number(this.#textOf(node.lastChild!)) * 1000;
  }

  #call(node: Node, depth: number): Expression {
    const args = childrenOf(node.getChild('FunctionCallBody')).map(arg => this.expression(arg, depth + 1));
    return { type: 'call', name: this.#textOf(node.getChild('FunctionIdentifier')!), args };
  }

  #aggregation(node: Node, depth: number): Aggregation {
    const op = this.#textOf(node.getChild('AggregateOp')!).toLowerCase();
    const args = childrenOf(node.getChild('FunctionCallBody')).map(arg => this.expression(arg, depth + 1));
    const modifier = node.getChild('AggregateModifier');
    const grouping = {
      without: modifier?.getChild('Without') != null,
      labels: this.#labels(modifier?.getChild('GroupingLabels') ?? null),
    };
    const inner = args.at(-1);
    if (inner === undefined || args.length > 2)
      this.#fail(node, `wrong number of arguments for aggregation ${op}`);
    if (kindOf(inner!) !== 'vector')
      this.#fail(node, `${op} takes an instant vector, not a ${kindOf(inner!)}`);
    return {
      type: 'aggregation',
      op,
      inner: inner!,
      parameter: args.length === 2 ? args[0] : undefined,
      grouping,
    };
  }

  #labels(node: Node | null): string[] {
    return childrenOf(node).map(label => {
      const text = this.#textOf(label);
      return label.name === 'LabelName' ? text : unquote(text);
    });
  }

  #binary(node: Node, depth: number): Binary {
    const left = this.expression(node.firstChild!, depth + 1);
    const right = this.expression(node.lastChild!, depth + 1);
    const operator = childrenOf(node).find(child => child.name in binaryOperators);
    if (operator === undefined) this.#fail(node, `the operator in "${this.#textOf(node)}" is not supported`);
    const op = binaryOperators[operator!.name]!;
    if (['and', 'or', 'unless'].includes(op) && (kindOf(left) === 'scalar' || kindOf(right) === 'scalar')) {
      this.#fail(node, `set operator ${op} not allowed with a scalar`);
    }
    return {
      type: 'binary',
      op,
      left,
      right,
      bool: node.getChild('BoolModifier') !== null,
      matching: this.#matching(node),
    };
  }

  #matching(node: Node): VectorMatching {
    const clause = node.getChild('MatchingModifierClause');
    if (clause === null) return { on: false, labels: [], include: [] };
    const lists = clause.getChildren('GroupingLabels');
    const group = clause.getChild('GroupLeft') ? 'left' : clause.getChild('GroupRight') ? 'right' : undefined;
    return {
      on: clause.getChild('On') !== null,
      labels: this.#labels(lists[0] ?? null),
      group,
      include: this.#labels(lists[1] ?? null),
    };
  }
}

function childrenOf(node: Node | null): Node[] {
  const children: Node[] = [];
  for (let child = node?.firstChild ?? null; child !== null; child = child.nextSibling) children.push(child);
  return children;
}
