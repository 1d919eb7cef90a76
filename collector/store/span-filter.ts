// A span filter as an SQL condition over the spans `s` joined with their scopes `c`.
import type { Parameters } from './database.ts';
import { jsonPointer } from './json-pointer.ts';
import { textCondition } from './matching.ts';
import { MatcherError, type SpanCondition, type SpanFilter } from './store.ts';

/** The table expressions that a filter needs for conditions on the whole trace. */
export interface SpanTables {
  readonly spans: string;
  readonly scopes: string;
}

const textIntrinsics: ReadonlyMap<string, string> = new Map([
  ['name', 's.name'],
  ['statusMessage', 's.status_message'],
  ['service', 'c.service'],
  ['traceId', 's.trace_id'],
  ['spanId', 's.span_id'],
  ['parentId', 's.parent_span_id'],
]);

const numberIntrinsics: ReadonlyMap<string, string> = new Map([
  ['kind', 's.kind'],
  ['status', 's.status'],
  ['duration', 's.duration'],
]);

/** A filter without a conjunction accepts nothing, a conjunction without a condition everything. */
export function spanCondition(filter: SpanFilter, parameters: Parameters, tables: SpanTables): string {
  const alternatives = filter.map(conditions => {
    const terms = conditions.map(condition => `(${term(condition, parameters, tables)})`);
    return `(${terms.length === 0 ? 'true' : terms.join(' AND ')})`;
  });
  return alternatives.length === 0 ? 'false' : `(${alternatives.join(' OR ')})`;
}

function term(condition: SpanCondition, parameters: Parameters, tables: SpanTables): string {
  const { scope, field } = condition;
  if (scope === 'intrinsic') return intrinsic(condition, parameters, tables);
  const pointer = parameters.text(jsonPointer(field));
  const own = `json_extract(s.attributes, ${pointer})`;
  const inherited = `json_extract(c.resource, ${pointer})`;
  const actual = { span: own, resource: inherited, any: `coalesce(${own}, ${inherited})` }[scope];
  return attribute(actual, condition, parameters);
}

function intrinsic(condition: SpanCondition, parameters: Parameters, tables: SpanTables): string {
  const { field, op, value } = condition;
  const text = textIntrinsics.get(field);
  if (text !== undefined) return textCondition(text, op, textOf(condition), parameters);
  const number = numberIntrinsics.get(field);
  if (number !== undefined) return numberCondition(number, condition, parameters);
  const joined = `${tables.spans} s JOIN ${tables.scopes} c ON s.scope = c.id`;
  if (field === 'rootName' || field === 'rootServiceName') {
    const column = field === 'rootName' ? 's.name' : 'c.service';
    const wanted = textCondition(column, op, textOf(condition), parameters);
    return `s.trace_id IN (SELECT s.trace_id FROM ${joined} WHERE s.parent_span_id = '' AND ${wanted})`;
  }
  if (field === 'traceDuration') {
    const wanted = numberCondition('max(t.start + t.duration) - min(t.start)', condition, parameters);
    return `s.trace_id IN (SELECT t.trace_id FROM ${tables.spans} t GROUP BY t.trace_id HAVING ${wanted})`;
  }
  throw new MatcherError(`there is no intrinsic ${JSON.stringify(field)} (compared with ${String(value)})`);
}

function textOf({ field, value }: SpanCondition): string {
  if (typeof value === 'string') return value;
  throw new MatcherError(`${field} is text and cannot be compared with ${String(value)}`);
}

function numberCondition(actual: string, condition: SpanCondition, parameters: Parameters): string {
  const { field, op, value } = condition;
  if (op === '=~' || op === '!~') throw new MatcherError(`${field} is a number; ${op} is for text`);
  if (typeof value === 'bigint') return `${actual} ${op} ${parameters.integer(value)}`;
  if (typeof value === 'number') return `${actual} ${op} ${parameters.double(value)}`;
  throw new MatcherError(`${field} is a number and cannot be compared with ${JSON.stringify(value)}`);
}

/** A value of another type than the wanted one never matches, as in TraceQL, neither by `=` nor by `!=`. */
function attribute(actual: string, condition: SpanCondition, parameters: Parameters): string {
  const { op, value } = condition;
  if (value === null) return `${actual} IS ${op === '=' ? '' : 'NOT '}NULL`;
  if (typeof value === 'string') {
    const text = `coalesce(json_extract_string(${actual}, '$'), '')`;
    return `coalesce(json_type(${actual}), '') = 'VARCHAR' AND ${textCondition(text, op, value, parameters)}`;
  }
  if (typeof value === 'boolean') {
    if (op !== '=' && op !== '!=') throw new MatcherError(`${op} is not for true and false`);
    return `coalesce(json_type(${actual}), '') = 'BOOLEAN' AND (${actual}::VARCHAR = 'true') ${op} ${value}`;
  }
  const number = `coalesce(try_cast(json_extract_string(${actual}, '$') AS DOUBLE), 0)`;
  const wanted = numberCondition(number, { ...condition, value: Number(value) }, parameters);
  return `coalesce(json_type(${actual}), '') IN ('UBIGINT', 'BIGINT', 'DOUBLE') AND ${wanted}`;
}
