// Series by what identifies a data point, so that labels are built and hashed once, not per point.
import type { DecodedScope, KeyValue } from 'tricord/otlp';
import { type MetricKind, metricName } from 'tricord/otlp';
import type { Entry } from '../../store/row-batch.ts';
import { addLabels, attributesJson, attributeText, valueText } from './attribute-text.ts';
import type { ClassicHistogram } from './classic-histogram.ts';
import { labelsIdentity } from './identity.ts';

/** What the series of one metric of one resource and scope have in common. */
export interface Family {
  readonly key: string;
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  readonly unit: string;
  readonly target: Target;
  readonly scope: ScopeLabels;
}

/** A resource as Prometheus sees it. */
export interface Target {
  readonly key: string;
  readonly job: string;
  readonly instance: string;
}

/** An instrumentation scope as Prometheus sees it. */
export interface ScopeLabels {
  readonly key: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** The sums of delta points so far: kept in memory only, a restart is a counter reset. */
export interface Accumulated {
  value: number;
  histogram: ClassicHistogram | null;
}

export function targetOf(attributes: readonly KeyValue[]): Target {
  const namespace = attributeText(attributes, 'service.namespace');
  const name = attributeText(attributes, 'service.name');
  return {
    key: attributesJson(attributes),
    job: namespace === '' || name === '' ? name : `${namespace}/${name}`,
    instance: attributeText(attributes, 'service.instance.id'),
  };
}

/**
 * Labels that keep apart what two libraries, or two versions of one, measure under the same name: `otel_scope_name`,
 * `otel_scope_version`, `otel_scope_schema_url` and `otel_scope_<attribute>` (OpenTelemetry's "Prometheus and OpenMetrics
 * compatibility").
 */
export function scopeLabels({ name, version, schemaUrl, attributes }: DecodedScope): ScopeLabels {
  const labels = new Map<string, string>();
  addLabels(
    labels,
    attributes.map(({ key, value }) => ({ key: `otel_scope_${key}`, value })),
  );
  for (const [part, text] of Object.entries({ name, version, schema_url: schemaUrl })) {
    if (text === '') labels.delete(`otel_scope_${part}`);
    else labels.set(`otel_scope_${part}`, text);
  }
  return { key: JSON.stringify([...labels]), labels };
}

export function familyOf(
  target: Target,
  scope: ScopeLabels,
  metric: { name: string; unit: string; description: string },
  kind: MetricKind,
): Family {
  const name = metricName(metric.name, metric.unit, kind);
  return {
    key: JSON.stringify([name, kind, metric.unit, target.key, scope.key]),
    name,
    kind,
    help: metric.description,
    unit: metric.unit,
    target,
    scope,
  };
}

/** The series of one data point: one for a number, several for a histogram or summary. */
export class PointSeries {
  readonly accumulated: Accumulated = { value: 0, histogram: null };
  readonly #family: Family;
  readonly #attributes: readonly KeyValue[];
  readonly #plain = new Map<string, Entry>();
  readonly #byValue = new Map<number, Entry>();

  constructor(family: Family, attributes: readonly KeyValue[]) {
    this.#family = family;
    this.#attributes = attributes;
  }

  /** The series `<name><suffix>`. */
  plain(suffix: '' | '_sum' | '_count'): Entry {
    let entry = this.#plain.get(suffix);
    if (entry === undefined) {
      entry = this.#entry(suffix);
      this.#plain.set(suffix, entry);
    }
    return entry;
  }

  /** The series of a bucket (`le`) or of a quantile. */
  byValue(label: 'le' | 'quantile', value: number): Entry {
    let entry = this.#byValue.get(value);
    if (entry === undefined) {
      const text = value === Infinity ? '+Inf' : String(value);
      entry = this.#entry(label === 'le' ? '_bucket' : '', [label, text]);
      this.#byValue.set(value, entry);
    }
    return entry;
  }

  #entry(suffix: string, extra?: readonly [string, string]): Entry {
    const { name, kind, help, unit, target, scope } = this.#family;
    const labels = new Map<string, string>();
    addLabels(labels, this.#attributes);
    for (const label of scope.labels) labels.set(...label);
    if (target.job !== '') labels.set('job', target.job);
    if (target.instance !== '') labels.set('instance', target.instance);
    if (extra !== undefined) labels.set(...(extra as [string, string]));
    labels.set('__name__', name + suffix);
    return seriesEntry(labels, { family: name, kind, help, unit });
  }
}

/** The dictionary row of a series. `kind` is empty where the metric's metadata is not known. */
export function seriesEntry(
  labels: ReadonlyMap<string, string>,
  { family, kind, help, unit }: { family: string; kind: string; help: string; unit: string },
): Entry {
  const id = labelsIdentity(labels);
  return { table: 'series', id, cells: [id, labels, family, kind, help, unit] };
}

/** Data points known at once; the ones that were not seen for longest are forgotten first. */
const POINTS_MAX = 100_000;

export class SeriesCache {
  readonly #points = new Map<string, PointSeries>();
  /** Delta sums that were forgotten with their point: their series start again from zero. */
  forgotten = 0;

  point(family: Family, attributes: readonly KeyValue[]): PointSeries {
    const key = pointKey(family, attributes);
    let point = this.#points.get(key);
    if (point === undefined) {
      point = new PointSeries(family, attributes);
      if (this.#points.size >= POINTS_MAX) this.#forgetOldest();
    } else this.#points.delete(key);
    this.#points.set(key, point);
    return point;
  }

  #forgetOldest(): void {
    for (const key of this.#points.keys()) {
      this.#points.delete(key);
      this.forgotten++;
      return;
    }
  }
}

/** Length-prefixed, in the order the attributes came in: another order is another key for the same series. */
function pointKey(family: Family, attributes: readonly KeyValue[]): string {
  let key = family.key;
  for (const { key: name, value } of attributes) {
    const text = valueText(value);
    key += `${name.length}:${name}${text.length}:${text}`;
  }
  return key;
}
