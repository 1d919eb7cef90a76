// `meter_provider.views` of OpenTelemetry's configuration file, as views.
import type { Section } from './configuration-tree.ts';
import type { View, ViewAggregation, ViewSelector, ViewStream } from './metrics/view.ts';

/** A view, and what a complaint about it begins with. */
export interface FileView {
  readonly view: View;
  /** File, line and column, and the key. */
  readonly path: string;
}

/**
 * What the values may be is for those who check the views that are given in code.
 * @throws OptionError for what is of a wrong type
 */
export function viewsOf(provider: Section): FileView[] {
  return provider.sections('views').map(section => {
    const view = { selector: selectorOf(section.section('selector')), stream: streamOf(section) };
    return { view, path: `${section.place}: ${section.path}` };
  });
}

function selectorOf(selector: Section): ViewSelector {
  return given({
    instrumentName: selector.text('instrument_name'),
    instrumentType: selector.text('instrument_type') as ViewSelector['instrumentType'],
    unit: selector.text('unit'),
    meterName: selector.text('meter_name'),
    meterVersion: selector.text('meter_version'),
    meterSchemaUrl: selector.text('meter_schema_url'),
  });
}

function streamOf(view: Section): ViewStream {
  const stream = view.section('stream');
  return given({
    name: stream.text('name'),
    description: stream.text('description'),
    attributeKeys: attributeKeysOf(stream),
    aggregation: stream.has('aggregation') ? aggregationOf(stream.section('aggregation')) : undefined,
    cardinalityLimit: stream.number('aggregation_cardinality_limit'),
  });
}

/** The schema has patterns there, which an attribute filter has not: such a list would keep or leave out something else. */
function attributeKeysOf(stream: Section): ViewStream['attributeKeys'] {
  if (!stream.has('attribute_keys')) return undefined;
  const keys = stream.section('attribute_keys');
  const [included, excluded] = [keys.texts('included'), keys.texts('excluded')];
  const pattern = [...(included ?? []), ...(excluded ?? [])].find(key => /[*?]/.test(key));
  if (pattern === undefined) return given({ included, excluded });
  stream.warn('attribute_keys', `patterns such as ${JSON.stringify(pattern)} are not supported`);
  return undefined;
}

/** Undefined for one that there is not, which is then told of as a key that is not followed. */
function aggregationOf(aggregation: Section): ViewAggregation | undefined {
  for (const type of ['default', 'drop', 'sum', 'last_value'] as const) {
    if (!aggregation.has(type)) continue;
    aggregation.section(type);
    return { type };
  }
  if (aggregation.has('explicit_bucket_histogram')) {
    const type = 'explicit_bucket_histogram';
    const settings = aggregation.section(type);
    const boundaries = settings.numbers('boundaries');
    return given({ type, boundaries, recordMinMax: settings.flag('record_min_max') });
  }
  if (!aggregation.has('base2_exponential_bucket_histogram')) return undefined;
  const type = 'base2_exponential_bucket_histogram';
  const settings = aggregation.section(type);
  const [maxSize, maxScale] = [settings.number('max_size'), settings.number('max_scale')];
  return given({ type, maxSize, maxScale, recordMinMax: settings.flag('record_min_max') });
}

/** What is undefined is left out. */
function given<T extends object>(all: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
