// Metrics as rows: OTLP's points as Prometheus' samples and exemplars.

import type { MetricKind } from 'tricord/otlp';
import {
  type DecodedExemplar,
  type DecodedMetric,
  type DecodedNumberPoint,
  type DecodedSummaryPoint,
  decodeMetrics,
} from 'tricord/otlp';
import type { Entry, RowBatch } from '../../store/row-batch.ts';
import { addLabels, idText } from './attribute-text.ts';
import {
  accumulate,
  type ClassicHistogram,
  cumulativeBuckets,
  fromExplicit,
  fromExponential,
} from './classic-histogram.ts';
import {
  type Family,
  familyOf,
  type PointSeries,
  type ScopeLabels,
  SeriesCache,
  scopeLabels,
  seriesEntry,
  type Target,
  targetOf,
} from './series-cache.ts';
import { millis } from './time.ts';

const DELTA = 1;
/** Data point flag: the series has no value at this time. */
const NO_RECORDED_VALUE = 1;
const HOUR_MS = 3_600_000;

type Sample = readonly [series: Entry, value: number];

interface PointTime {
  readonly timeUnixNano: bigint;
}

/** Translates metrics of one store; keeps the sums of delta points between requests. */
export class MetricRows {
  readonly #cache = new SeriesCache();
  readonly #seriesMax: number;
  /** The series of the present hour. */
  readonly #series = new Set<bigint>();
  #hour = 0;
  #batch!: RowBatch;

  /** @param seriesMax series that may come in one hour; samples of further ones are dropped, counted */
  constructor(seriesMax: number) {
    this.#seriesMax = seriesMax;
  }

  /** @throws WireError for bytes that are no request; rows that came before the fault are in the batch by then */
  add(payload: Uint8Array, batch: RowBatch): void {
    this.#batch = batch;
    this.#turnHour(Math.floor(batch.arrived / HOUR_MS));
    let target: Target;
    let scope: ScopeLabels;
    decodeMetrics(payload, {
      resource: resource => {
        target = targetOf(resource.attributes);
        this.#addTargetInfo(target, resource.attributes);
      },
      scope: next => {
        scope = scopeLabels(next);
      },
      metric: metric => this.#addMetric(metric, kind => familyOf(target, scope, metric, kind)),
    });
  }

  #turnHour(hour: number): void {
    if (hour === this.#hour) return;
    this.#hour = hour;
    this.#series.clear();
  }

  /** `target_info` carries the resource's other attributes, for joins. */
  #addTargetInfo(target: Target, attributes: Parameters<typeof addLabels>[1]): void {
    if (target.job === '' && target.instance === '') return;
    const identifying = new Set(['service.name', 'service.namespace', 'service.instance.id']);
    const labels = new Map<string, string>();
    addLabels(
      labels,
      attributes.filter(({ key }) => !identifying.has(key)),
    );
    if (target.job !== '') labels.set('job', target.job);
    if (target.instance !== '') labels.set('instance', target.instance);
    labels.set('__name__', 'target_info');
    const about = { family: 'target_info', kind: 'gauge', help: 'Resource attributes', unit: '' };
    this.#sample(seriesEntry(labels, about), this.#batch.arrived, 1);
  }

  #addMetric({ data }: DecodedMetric, family: (kind: MetricKind) => Family): void {
    if (data === undefined) return this.#batch.drop('metric_without_data', 1);
    const delta = data.temporality === DELTA;
    switch (data.type) {
      case 'gauge':
        return this.#addNumbers(family('gauge'), data.points, false);
      case 'sum': {
        const kind = data.monotonic ? 'counter' : 'gauge';
        return this.#addNumbers(family(kind), data.points, delta);
      }
      case 'summary':
        return this.#addSummaries(family('summary'), data.points);
      case 'histogram': {
        const series = family('histogram');
        for (const point of data.points) this.#addHistogram(series, point, fromExplicit(point), delta);
        return;
      }
      case 'exponentialHistogram': {
        const series = family('histogram');
        for (const point of data.points) this.#addHistogram(series, point, fromExponential(point), delta);
      }
    }
  }

  #addNumbers(family: Family, points: readonly DecodedNumberPoint[], delta: boolean): void {
    for (const point of points) {
      if (point.value === undefined || point.flags & NO_RECORDED_VALUE) {
        this.#withoutValue();
        continue;
      }
      const series = this.#cache.point(family, point.attributes);
      let value = Number(point.value);
      if (delta) {
        series.accumulated.value += value;
        value = series.accumulated.value;
      }
      const entry = series.plain('');
      this.#keep([[entry, value]], this.#timeOf(point));
      for (const exemplar of point.exemplars) this.#exemplar(entry, exemplar, point);
    }
  }

  #addHistogram(
    family: Family,
    point: { readonly flags: number; readonly exemplars: readonly DecodedExemplar[] } & PointTime &
      Pick<DecodedNumberPoint, 'attributes'>,
    histogram: ClassicHistogram,
    delta: boolean,
  ): void {
    if (point.flags & NO_RECORDED_VALUE) return this.#withoutValue();
    const series = this.#cache.point(family, point.attributes);
    const total = delta ? accumulated(series, histogram) : histogram;
    const time = this.#timeOf(point);
    const buckets = cumulativeBuckets(total);
    const samples = buckets.map(([bound, count]): Sample => [series.byValue('le', bound), count]);
    samples.push([series.plain('_count'), total.count]);
    if (total.sum !== undefined) samples.push([series.plain('_sum'), total.sum]);
    this.#keep(samples, time);
    for (const exemplar of point.exemplars) {
      const bound = buckets.find(([upper]) => Number(exemplar.value) <= upper)?.[0] ?? Infinity;
      this.#exemplar(series.byValue('le', bound), exemplar, point);
    }
  }

  #addSummaries(family: Family, points: readonly DecodedSummaryPoint[]): void {
    for (const point of points) {
      if (point.flags & NO_RECORDED_VALUE) {
        this.#withoutValue();
        continue;
      }
      const series = this.#cache.point(family, point.attributes);
      const time = this.#timeOf(point);
      const samples = point.quantiles.map(
        ({ quantile, value }): Sample => [series.byValue('quantile', quantile), value],
      );
      samples.push([series.plain('_count'), point.count], [series.plain('_sum'), point.sum]);
      this.#keep(samples, time);
    }
  }

  #timeOf(point: PointTime): number {
    return point.timeUnixNano === 0n ? Math.floor(this.#batch.arrived) : millis(point.timeUnixNano);
  }

  #withoutValue(): void {
    this.#batch.drop('point_without_value', 1);
    this.#batch.lose('point_without_value', 1);
  }

  /** The samples of one point, which is lost when none of them is kept. */
  #keep(samples: readonly Sample[], time: number): void {
    let kept = 0;
    for (const [series, value] of samples) if (this.#sample(series, time, value)) kept++;
    if (kept === 0) this.#batch.lose('series_limit', 1);
  }

  #sample(series: Entry, time: number, value: number): boolean {
    if (!this.#admits(series)) {
      this.#batch.drop('series_limit', 1);
      return false;
    }
    this.#batch.add('samples', time, [series.id, BigInt(Math.floor(time)), value], series);
    return true;
  }

  #exemplar(series: Entry, exemplar: DecodedExemplar, point: PointTime): void {
    if (exemplar.value === undefined || !this.#admits(series)) return this.#batch.drop('exemplar', 1);
    const labels = new Map<string, string>();
    addLabels(labels, exemplar.filteredAttributes);
    const traceId = idText(exemplar.traceId);
    const spanId = idText(exemplar.spanId);
    if (traceId !== '') labels.set('trace_id', traceId);
    if (spanId !== '') labels.set('span_id', spanId);
    const time = this.#timeOf(exemplar.timeUnixNano === 0n ? point : exemplar);
    this.#batch.add('exemplars', time, [series.id, BigInt(time), Number(exemplar.value), labels], series);
  }

  #admits({ id }: Entry): boolean {
    if (this.#series.has(id)) return true;
    if (this.#series.size >= this.#seriesMax) return false;
    this.#series.add(id);
    return true;
  }
}

function accumulated(series: PointSeries, delta: ClassicHistogram): ClassicHistogram {
  const total = series.accumulated.histogram;
  if (total === null) {
    series.accumulated.histogram = { ...delta, buckets: new Map(delta.buckets) };
    return series.accumulated.histogram;
  }
  accumulate(total, delta);
  return total;
}
