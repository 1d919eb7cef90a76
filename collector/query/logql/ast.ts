// Log queries of LogQL: a stream selector and the stages behind it. Metric queries become PromQL expressions over them.
import type { Matcher } from '../../store/store.ts';
import type { Expression, Grouping } from '../promql/ast.ts';

export interface LogQuery {
  readonly matchers: readonly Matcher[];
  readonly stages: readonly Stage[];
}

export type Stage =
  | LineFilter
  | LabelFilterStage
  | { readonly type: 'json'; readonly extract: readonly Extraction[] }
  | { readonly type: 'logfmt' }
  | {
      readonly type: 'drop' | 'keep';
      readonly matchers: readonly Matcher[];
      readonly names: readonly string[];
    }
  | { readonly type: 'label_format'; readonly changes: readonly LabelChange[] }
  | { readonly type: 'line_format'; readonly template: string };

export interface LineFilter {
  readonly type: 'line';
  readonly op: '|=' | '!=' | '|~' | '!~';
  /** Any of them (none of them, for the negative operators). */
  readonly texts: readonly string[];
}

/** Takes over one value of a JSON line: `label="path.to[0]"`. */
export interface Extraction {
  readonly label: string;
  readonly path: readonly string[];
}

export interface LabelChange {
  readonly label: string;
  /** Another label's name, or a template. */
  readonly from: { readonly label: string } | { readonly template: string };
}

interface LabelFilterStage {
  readonly type: 'label';
  readonly condition: Condition;
}

export type Condition =
  | { readonly type: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly type: 'text'; readonly matcher: Matcher }
  | NumericCondition;

export interface NumericCondition {
  readonly type: 'number' | 'duration' | 'bytes';
  readonly label: string;
  readonly op: '=' | '!=' | '>' | '>=' | '<' | '<=';
  readonly value: number;
}

/** What one sample of a metric query counts: the line, its bytes, or a label's value. */
export type Measure =
  | 'lines'
  | 'bytes'
  | { readonly unwrap: string; readonly conversion?: 'duration' | 'bytes' | undefined };

/** A log query as the series of a metric query. */
export interface LogSource {
  readonly query: LogQuery;
  readonly measure: Measure;
  readonly grouping?: Grouping | undefined;
}

export type LogQL =
  | { readonly kind: 'logs'; readonly query: LogQuery }
  | { readonly kind: 'metric'; readonly expression: Expression; readonly sources: readonly LogSource[] };

/** The label by which the expression of a metric query names its source: the value is its index. */
export const SOURCE_LABEL = '__logql_source__';
