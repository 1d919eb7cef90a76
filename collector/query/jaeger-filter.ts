// Jaeger's search parameters as the store's conditions: what one span of a trace has to be for the trace to be found.
import type { SpanCondition, SpanFilter } from '../store/store.ts';
import { HttpError } from '../web/router.ts';
import { spanKinds, statusCodes } from './jaeger-trace.ts';
import { QueryError } from './promql/ast.ts';
import { parseDuration } from './promql/literals.ts';

const TAGS_MAX = 6;

/** @throws HttpError 400 that names the parameter */
export function spanFilter(query: URLSearchParams): SpanFilter {
  const service = query.get('service') ?? '';
  if (service === '') throw new HttpError(400, 'parameter "service" is missing');
  const operation = query.get('operation') ?? '';
  const conditions: SpanCondition[] = [intrinsic('service', service), ...durations(query)];
  if (operation !== '') conditions.push(intrinsic('name', operation));
  let filter: SpanFilter = [conditions];
  for (const [key, value] of tags(query)) {
    const meanings = tagMeanings(key, value);
    filter = filter.flatMap(one => meanings.map(meaning => [...one, meaning]));
  }
  return filter;
}

function intrinsic(
  field: string,
  value: SpanCondition['value'],
  op: SpanCondition['op'] = '=',
): SpanCondition {
  return { scope: 'intrinsic', field, op, value };
}

function durations(query: URLSearchParams): SpanCondition[] {
  const min = durationNanos(query, 'minDuration');
  const max = durationNanos(query, 'maxDuration');
  if (min !== undefined && max !== undefined && max < min) {
    throw new HttpError(400, 'parameter "maxDuration" is less than "minDuration"');
  }
  return [
    ...(min === undefined ? [] : [intrinsic('duration', min, '>=')]),
    ...(max === undefined ? [] : [intrinsic('duration', max, '<=')]),
  ];
}

function durationNanos(query: URLSearchParams, name: string): bigint | undefined {
  const text = query.get(name) ?? '';
  if (text === '') return undefined;
  try {
    const nanos = parseDuration(text) * 1e6;
    if (Number.isFinite(nanos)) return BigInt(Math.round(nanos));
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
  }
  throw new HttpError(
    400,
    `parameter "${name}" is ${JSON.stringify(text)}, not a duration; write 1.2s, 100ms or 500us`,
  );
}

/** `tags` is a JSON object; the older `tag`, as `key:value`, may come several times. All of them must hold. */
function tags(query: URLSearchParams): Map<string, string> {
  const wanted = new Map([...query.getAll('tag').map(pair), ...objectEntries(query.get('tags') ?? '')]);
  if (wanted.size > TAGS_MAX) throw new HttpError(400, `parameter "tags" has more than ${TAGS_MAX} tags`);
  return wanted;
}

function pair(text: string): [key: string, value: string] {
  const colon = text.indexOf(':');
  if (colon < 1) throw new HttpError(400, `parameter "tag" is ${JSON.stringify(text)}; write key:value`);
  return [text.slice(0, colon), text.slice(colon + 1)];
}

function objectEntries(text: string): [key: string, value: string][] {
  if (text === '') return [];
  const object = parsed(text);
  if (typeof object !== 'object' || object === null || Array.isArray(object)) throw notTags();
  return Object.entries(object).map(([key, value]) => {
    if (typeof value === 'object') throw notTags();
    return [key, String(value)];
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notTags();
  }
}

function notTags(): HttpError {
  return new HttpError(400, 'parameter "tags" must be a JSON object of texts, as {"http.route":"/orders"}');
}

/** Tags that no span has in the store as an attribute: Jaeger makes them of fields. */
const fieldTags: ReadonlyMap<string, (value: string) => SpanCondition> = new Map([
  ['span.kind', value => intrinsic('kind', indexOf('span.kind', spanKinds, value))],
  ['otel.status_code', value => intrinsic('status', indexOf('otel.status_code', statusCodes, value))],
  ['otel.status_description', value => intrinsic('statusMessage', value)],
]);

function indexOf(key: string, values: readonly string[], value: string): number {
  const index = values.indexOf(value, 1);
  if (index > 0) return index;
  throw new HttpError(400, `tag "${key}" in parameter "tags" is one of ${values.slice(1).join(', ')}`);
}

/** What a tag may mean: its text may stand for a number or a boolean. */
function tagMeanings(key: string, value: string): SpanCondition[] {
  const field = fieldTags.get(key);
  if (field !== undefined) return [field(value)];
  if (key.startsWith('otel.scope.')) {
    throw new HttpError(400, `tag "${key}" in parameter "tags": scopes cannot be searched for`);
  }
  const attribute = (meaning: SpanCondition['value']): SpanCondition => {
    return { scope: 'any', field: key, op: '=', value: meaning };
  };
  const meanings = [attribute(value)];
  if (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value)) meanings.push(attribute(Number(value)));
  if (value === 'true' || value === 'false') meanings.push(attribute(value === 'true'));
  if (key === 'error' && value === 'true') meanings.push(intrinsic('status', 2));
  return meanings;
}
