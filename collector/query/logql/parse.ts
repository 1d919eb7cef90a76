// From LogQL text to log queries and metric expressions, on Grafana's grammar.
import { parser } from '@grafana/lezer-logql';
import type { Matcher } from '../../store/store.ts';
import {
  type Binary,
  type Expression,
  type Grouping,
  QueryError,
  type VectorMatching,
} from '../promql/ast.ts';
import { parseDuration } from '../promql/literals.ts';
import { type LogQL, type LogQuery, type LogSource, type Measure, SOURCE_LABEL } from './ast.ts';
import { childrenOf, type Node, StageReading } from './parse-stages.ts';

/** Range aggregations by name: what a sample is, the window function, and whether it is a rate per second. */
const rangeOperators: Readonly<Record<string, { measure?: Measure; window: string; perSecond?: boolean }>> = {
  rate: { window: 'sum_over_time', perSecond: true },
  count_over_time: { measure: 'lines', window: 'sum_over_time' },
  bytes_rate: { measure: 'bytes', window: 'sum_over_time', perSecond: true },
  bytes_over_time: { measure: 'bytes', window: 'sum_over_time' },
  sum_over_time: { window: 'sum_over_time' },
  avg_over_time: { window: 'avg_over_time' },
  min_over_time: { window: 'min_over_time' },
  max_over_time: { window: 'max_over_time' },
  last_over_time: { window: 'last_over_time' },
  stddev_over_time: { window: 'stddev_over_time' },
  stdvar_over_time: { window: 'stdvar_over_time' },
  quantile_over_time: { window: 'quantile_over_time' },
};

const precedence: readonly (readonly string[])[] = [
  ['or'],
  ['and', 'unless'],
  ['==', '!=', '>', '>=', '<', '<='],
  ['+', '-'],
  ['*', '/', '%'],
  ['^'],
];

/**
 * Parses a LogQL expression.
 * @throws QueryError with line and column for a syntax error, with the construct's name for what is not supported
 */
export function parseLogQL(text: string): LogQL {
  const root = parser.parse(text).topNode;
  const reading = new Reading(text);
  reading.refuseErrors(root);
  const expression = root.getChild('Expr');
  if (expression === null) throw new QueryError('parse error: no expression found in input');
  const logs = expression.getChild('LogExpr');
  if (logs !== null) return { kind: 'logs', query: reading.logQuery(logs) };
  return { kind: 'metric', expression: reading.metric(expression), sources: reading.sources };
}

/** The matchers of a bare stream selector. @throws QueryError when it is anything else */
export function parseStreamSelector(text: string): readonly Matcher[] {
  const parsed = parseLogQL(text);
  if (parsed.kind !== 'logs' || parsed.query.stages.length > 0)
    throw new QueryError(`"${text}" is not a stream selector`);
  return parsed.query.matchers;
}

interface Operator {
  readonly op: string;
  readonly bool: boolean;
  readonly matching: VectorMatching;
}

class Reading extends StageReading {
  readonly sources: LogSource[] = [];

  logQuery(node: Node): LogQuery {
    const inner = node.getChild('LogExpr');
    if (inner !== null) return this.logQuery(inner);
    const matchers = this.selector(node.getChild('Selector')!);
    return { matchers, stages: this.stages(node.getChild('PipelineExpr')) };
  }

  /** `Expr` and `MetricExpr` nodes, parentheses included. */
  metric(node: Node): Expression {
    const child = childrenOf(node).find(({ name }) => !['(', ')'].includes(name));
    switch (child?.name) {
      case 'Expr':
      case 'MetricExpr':
        return this.metric(child);
      case 'RangeAggregationExpr':
        return this.#rangeAggregation(child);
      case 'VectorAggregationExpr':
        return this.#vectorAggregation(child);
      case 'BinOpExpr':
        return this.#binary(child);
      case 'LiteralExpr':
        return { type: 'number', value: Number(this.textOf(child)) };
      case 'VectorExpr':
        return {
          type: 'call',
          name: 'vector',
          args: [{ type: 'number', value: Number(this.textOf(child.getChild('Number')!)) }],
        };
      default:
        return this.fail(
          child ?? node,
          `${child?.name ?? node.name} is not supported: "${this.textOf(node)}"`,
        );
    }
  }

  #rangeAggregation(node: Node): Expression {
    const name = this.textOf(node.getChild('RangeOp')!);
    const operator = rangeOperators[name];
    if (operator === undefined) this.fail(node, `${name} is not supported`);
    const range = node.getChild('LogRangeExpr')!;
    const unwrap = this.unwrap(range);
    const measure = unwrap ?? operator!.measure ?? (name === 'rate' ? 'lines' : undefined);
    if (measure === undefined) this.fail(node, `${name} needs an unwrap expression`);
    const grouping = node.getChild('Grouping');
    const source: LogSource = {
      query: {
        matchers: this.selector(range.getChild('Selector')!),
        stages: this.stages(range.getChild('PipelineExpr')),
      },
      measure: measure!,
      grouping: grouping === null ? undefined : this.#grouping(grouping),
    };
    const matchers: Matcher[] = [
      { name: SOURCE_LABEL, op: '=', value: String(this.sources.push(source) - 1) },
    ];
    const duration = parseDuration(this.textOf(range.getChild('Range')!).slice(1, -1).trim());
    const offset = range.getChild('OffsetExpr')?.getChild('Duration');
    const vector = {
      type: 'vector',
      matchers,
      offset: offset ? parseDuration(this.textOf(offset)) : 0,
    } as const;
    const parameter = node.getChild('Number');
    const args: Expression[] = [{ type: 'matrix', vector, range: duration }];
    if (parameter !== null) args.unshift({ type: 'number', value: Number(this.textOf(parameter)) });
    const call: Expression = { type: 'call', name: operator!.window, args };
    return operator!.perSecond === true ? perSecond(call, duration / 1000) : call;
  }

  #grouping(node: Node | null): Grouping {
    const labels = node?.getChild('Labels') ?? null;
    const names: string[] = [];
    labels?.cursor().iterate(inner => {
      if (inner.name === 'Identifier') names.push(this.textOf(inner.node));
    });
    return { without: node?.getChild('Without') != null, labels: names };
  }

  #vectorAggregation(node: Node): Expression {
    const parameter = node.getChild('Number');
    const inner = node.getChild('MetricExpr');
    if (inner === null) this.fail(node, `"${this.textOf(node)}" aggregates no metric query`);
    return {
      type: 'aggregation',
      op: this.textOf(node.getChild('VectorOp')!),
      inner: this.metric(inner!),
      parameter: parameter === null ? undefined : { type: 'number', value: Number(this.textOf(parameter)) },
      grouping: this.#grouping(node.getChild('Grouping')),
    };
  }

  /** The grammar nests operators as they come: they are laid flat here and joined by precedence. */
  #binary(node: Node): Expression {
    const operands: Expression[] = [];
    const operators: Operator[] = [];
    const flatten = (side: Node): void => {
      const inner = this.#operatorIn(side);
      if (inner === null) operands.push(this.metric(side));
      else this.#flatten(inner, flatten, operators);
    };
    this.#flatten(node, flatten, operators);
    return join(operands, operators);
  }

  #flatten(node: Node, side: (node: Node) => void, operators: Operator[]): void {
    const children = childrenOf(node);
    const [left, right] = children.filter(({ name }) => name === 'Expr' || name === 'MetricExpr') as [
      Node,
      Node,
    ];
    const sign = children[children.indexOf(left) + 1]!;
    side(left);
    operators.push({ op: this.textOf(sign), ...this.#modifier(node.getChild('BinOpModifier')) });
    side(right);
  }

  /** The operator directly inside an operand; parentheses, which nest a MetricExpr in another, keep theirs together. */
  #operatorIn(operand: Node): Node | null {
    const metric = operand.name === 'Expr' ? operand.getChild('MetricExpr') : operand;
    return metric?.firstChild?.name === 'BinOpExpr' ? metric.firstChild : null;
  }

  #modifier(node: Node | null): { bool: boolean; matching: VectorMatching } {
    if (node === null || node.firstChild === null)
      return { bool: false, matching: { on: false, labels: [], include: [] } };
    const bool = this.textOf(node).startsWith('bool');
    const clause = node.getChild('OnOrIgnoringModifier');
    if (clause === null && !bool) this.fail(node, `"${this.textOf(node)}" is not supported`);
    const labels: string[] = [];
    clause?.cursor().iterate(inner => {
      if (inner.name === 'LabelName') labels.push(this.textOf(inner.node));
    });
    const group = /group_(left|right)/.exec(this.textOf(node))?.[1] as 'left' | 'right' | undefined;
    return { bool, matching: { on: clause?.getChild('On') != null, labels, group, include: [] } };
  }
}

function perSecond(inner: Expression, seconds: number): Expression {
  const right: Expression = { type: 'number', value: seconds };
  return {
    type: 'binary',
    op: '/',
    left: inner,
    right,
    bool: false,
    matching: { on: false, labels: [], include: [] },
  };
}

/** Precedence climbing over the flat list; `^` binds to the right. */
function join(operands: readonly Expression[], operators: readonly Operator[]): Expression {
  if (operators.length === 0) return operands[0]!;
  const level = precedence.findIndex(signs => operators.some(({ op }) => signs.includes(op)));
  const signs = precedence[level];
  if (signs === undefined) throw new QueryError(`operator ${operators[0]!.op} is not supported`);
  const at =
    signs[0] === '^'
      ? operators.findIndex(({ op }) => signs.includes(op))
      : operators.findLastIndex(({ op }) => signs.includes(op));
  const left = join(operands.slice(0, at + 1), operators.slice(0, at));
  const right = join(operands.slice(at + 1), operators.slice(at + 1));
  return { type: 'binary', left, right, ...operators[at]! } satisfies Binary;
}
