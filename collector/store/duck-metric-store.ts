// Metrics out of the store: series by matchers, samples in one pass, ordered by series and time.
import { Parameters } from './database.ts';
import { checkPatterns, labelsFrom, matching, matchingAny, withinMillis } from './matching.ts';
import type { Snapshot } from './snapshot.ts';
import type { Source } from './source.ts';
import {
  type Exemplar,
  type Labels,
  LimitError,
  type Matcher,
  type MetricMetadata,
  type MetricStore,
  type SelectOptions,
  type Series,
  type TimeRange,
} from './store.ts';

/** Samples of one selection unless the caller sets another limit (Prometheus has the same). */
const SAMPLES_MAX = 50_000_000;
const EXEMPLARS_MAX = 10_000;

type Lists = readonly (readonly Matcher[])[];

export class DuckMetricStore implements MetricStore {
  readonly #source: Source;

  constructor(source: Source) {
    this.#source = source;
  }

  async select(matchers: readonly Matcher[], range: TimeRange, options?: SelectOptions): Promise<Series[]> {
    await checkPatterns(this.#source.database, matchers);
    return this.#source.read(async snapshot => {
      const series = await this.#matchingSeries(snapshot, matchers, range, options);
      return series.size === 0 ? [] : this.#samples(snapshot, series, range, options);
    });
  }

  /** Labels by series ID: series whose files overlap the range. */
  async #matchingSeries(
    snapshot: Snapshot,
    matchers: readonly Matcher[],
    range: TimeRange,
    options: SelectOptions | undefined,
  ): Promise<Map<bigint, Labels>> {
    const parameters = new Parameters();
    const rows = await this.#source.database.rows(
      `SELECT id, any_value(labels) FROM ${snapshot.table('series', range)}
       WHERE ${matching('labels', matchers, parameters)} GROUP BY id`,
      parameters,
      options?.signal,
    );
    return new Map(rows.map(([id, labels]) => [id as bigint, labelsFrom(labels)]));
  }

  async #samples(
    snapshot: Snapshot,
    series: ReadonlyMap<bigint, Labels>,
    range: TimeRange,
    options: SelectOptions | undefined,
  ): Promise<Series[]> {
    const limit = options?.samplesMax ?? SAMPLES_MAX;
    const parameters = new Parameters();
    const sql = `SELECT series, time::DOUBLE, value FROM (
        SELECT series, time, ordinal, value FROM ${snapshot.table('samples', range)}
        WHERE ${withinMillis('time', range, parameters)}
          AND series IN (SELECT unnest(${parameters.integers([...series.keys()])}))
        LIMIT ${Math.floor(limit) + 1})
      ORDER BY series, time, ordinal`;
    const collector = new SeriesCollector(series);
    let count = 0;
    await this.#source.database.chunks(sql, parameters, options?.signal, chunk => {
      count += chunk.rowCount;
      if (count > limit) throw new LimitError(`the selection has more than samplesMax = ${limit} samples`);
      const ids = chunk.getColumnVector(0);
      const times = chunk.getColumnVector(1);
      const values = chunk.getColumnVector(2);
      for (let row = 0; row < chunk.rowCount; row++) {
        collector.add(
          ids.getItem(row) as bigint,
          times.getItem(row) as number,
          values.getItem(row) as number,
        );
      }
    });
    return collector.finish();
  }

  async series(matches: Lists, range: TimeRange, options?: SelectOptions): Promise<Labels[]> {
    const rows = await this.#seriesRows('any_value(labels)', 'GROUP BY id', matches, range, options);
    return rows.map(([labels]) => labelsFrom(labels));
  }

  async labelNames(matches: Lists, range: TimeRange, options?: SelectOptions): Promise<string[]> {
    const rows = await this.#seriesRows('DISTINCT unnest(map_keys(labels))', '', matches, range, options);
    return rows.map(([name]) => name as string).sort();
  }

  async labelValues(
    name: string,
    matches: Lists,
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<string[]> {
    const parameters = new Parameters();
    const value = `labels[${parameters.text(name)}]`;
    const rows = await this.#seriesRows(`DISTINCT ${value}`, '', matches, range, options, parameters);
    return rows
      .map(([found]) => found as string | null)
      .filter(found => found !== null && found !== '')
      .sort() as string[];
  }

  /** Selects from the series that match any of the lists and have a sample in the range. */
  async #seriesRows(
    columns: string,
    tail: string,
    matches: Lists,
    range: TimeRange,
    options: SelectOptions | undefined,
    parameters: Parameters = new Parameters(),
  ): Promise<unknown[][]> {
    const { database } = this.#source;
    await checkPatterns(database, matches.flat());
    return this.#source.read(snapshot =>
      database.rows(
        `SELECT ${columns} FROM ${snapshot.table('series', range)}
         WHERE (${matchingAny('labels', matches, parameters)})
           AND id IN (SELECT series FROM ${snapshot.table('samples', range)}
                      WHERE ${withinMillis('time', range, parameters)})
         ${tail}`,
        parameters,
        options?.signal,
      ),
    );
  }

  async exemplars(
    matchers: readonly Matcher[],
    range: TimeRange,
    options?: SelectOptions,
  ): Promise<Exemplar[]> {
    await checkPatterns(this.#source.database, matchers);
    return this.#source.read(async snapshot => {
      const series = await this.#matchingSeries(snapshot, matchers, range, options);
      const parameters = new Parameters();
      const rows = await this.#source.database.rows(
        `SELECT series, time::DOUBLE, value, labels FROM ${snapshot.table('exemplars', range)}
         WHERE ${withinMillis('time', range, parameters)}
           AND series IN (SELECT unnest(${parameters.integers([...series.keys()])}))
         ORDER BY series, time, ordinal LIMIT ${options?.samplesMax ?? EXEMPLARS_MAX}`,
        parameters,
        options?.signal,
      );
      return rows.map(([id, time, value, labels]) => ({
        labels: labelsFrom(labels),
        seriesLabels: series.get(id as bigint)!,
        time: time as number,
        value: value as number,
      }));
    });
  }

  async metadata(): Promise<MetricMetadata[]> {
    const rows = await this.#source.read(snapshot =>
      this.#source.database.rows(
        `SELECT DISTINCT family, type, help, unit FROM ${snapshot.table('series')}
         WHERE type <> '' ORDER BY family, type, help, unit`,
      ),
    );
    return rows.map(([name, type, help, unit]) => ({
      name: name as string,
      type: type as MetricMetadata['type'],
      help: help as string,
      unit: unit as string,
    }));
  }
}

/** Cuts rows that are ordered by series and time into series; of equal times the last to arrive counts. */
class SeriesCollector {
  readonly #labels: ReadonlyMap<bigint, Labels>;
  readonly #done: Series[] = [];
  #id: bigint | null = null;
  #times: number[] = [];
  #values: number[] = [];

  constructor(labels: ReadonlyMap<bigint, Labels>) {
    this.#labels = labels;
  }

  add(id: bigint, time: number, value: number): void {
    if (id !== this.#id) {
      this.#close();
      this.#id = id;
    }
    const last = this.#times.length - 1;
    if (last >= 0 && this.#times[last] === time) {
      this.#values[last] = value;
      return;
    }
    this.#times.push(time);
    this.#values.push(value);
  }

  #close(): void {
    if (this.#id === null) return;
    this.#done.push({
      labels: this.#labels.get(this.#id)!,
      times: Float64Array.from(this.#times),
      values: Float64Array.from(this.#values),
    });
    this.#times = [];
    this.#values = [];
  }

  finish(): Series[] {
    this.#close();
    this.#id = null;
    return this.#done;
  }
}
