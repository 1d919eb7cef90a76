// Tempo's older search parameters, `tags`, `minDuration` and `maxDuration`, as the store's conditions.
import type { SpanCondition, SpanFilter } from '../store/store.ts';
import { durationNanos, TraceQlError } from './tempo-traceql.ts';

/** Conditions in logfmt: `service.name=shop http.status_code=500 name="GET /"`. All of them must hold. */
export function tagsFilter(tags: string, minDuration: string, maxDuration: string): SpanFilter {
  let filter: SpanFilter = [[...durations('>=', minDuration), ...durations('<=', maxDuration)]];
  for (const [key, value] of logfmt(tags)) {
    const alternatives = tagConditions(key, value);
    filter = filter.flatMap(one => alternatives.map(other => [...one, other]));
  }
  return filter;
}

function durations(op: '>=' | '<=', text: string): SpanCondition[] {
  if (text === '') return [];
  return [{ scope: 'intrinsic', field: 'traceDuration', op, value: durationNanos(text) }];
}

const TAGS_MAX = 6;

function* logfmt(text: string): Generator<[key: string, value: string]> {
  let rest = text.trim();
  for (let count = 1; rest !== ''; count++) {
    const match = /^([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)/.exec(rest);
    if (match === null) throw new TraceQlError(`tags: cannot read "${rest.slice(0, 40)}"; write key=value`);
    if (count > TAGS_MAX) throw new TraceQlError(`more than TAGS_MAX = ${TAGS_MAX} tags`);
    yield [match[1]!, match[2]?.replace(/\\(.)/g, '$1') ?? match[3]!];
    rest = rest.slice(match[0].length);
  }
}

/** What a tag may mean: its text may stand for a number or a boolean. */
function tagConditions(key: string, value: string): SpanCondition[] {
  const intrinsic = (field: string, wanted: SpanCondition['value']): SpanCondition[] => [
    { scope: 'intrinsic', field, op: '=', value: wanted },
  ];
  if (key === 'service.name') return intrinsic('service', value);
  if (key === 'name') return intrinsic('name', value);
  if (key === 'root.name') return intrinsic('rootName', value);
  if (key === 'root.service.name') return intrinsic('rootServiceName', value);
  if (key === 'error' && value === 'true') return intrinsic('status', 2);
  if (key === 'status.code') return intrinsic('status', Math.max(0, ['unset', 'ok', 'error'].indexOf(value)));
  const meanings: SpanCondition['value'][] = [value];
  if (/^-?\d+(\.\d+)?$/.test(value)) meanings.push(Number(value));
  if (value === 'true' || value === 'false') meanings.push(value === 'true');
  return meanings.map(meaning => ({ scope: 'any', field: key, op: '=', value: meaning }));
}
