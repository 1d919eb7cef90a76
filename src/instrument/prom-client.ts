// `tricord/prometheus`: exports every prom-client registry of the process together with the agent's own metrics.
import { diag } from '@opentelemetry/api';
import {
  type MetricClock,
  type MetricProducer,
  registerMetricProducer,
  type ScopeMetrics,
} from '../index.ts';
import { type PromData, type PromMetric, readNow, toRecord } from './prom-client-metrics.ts';

/** What is used of a registry of any copy of prom-client (14 and later). */
export interface PromRegistry {
  getMetricsAsArray(): readonly object[];
  /** Not public: labels that the registry adds to all metrics. */
  readonly _defaultLabels?: Readonly<Record<string, string>>;
}

type ScopeRecord = ScopeMetrics['scope'];

/** A registry that a program makes and forgets must not stay: weakly held, and its place is given to the next. */
interface Place {
  readonly registry: WeakRef<PromRegistry>;
  readonly scope: ScopeRecord;
}

/** Registries alive at the same time; the rest are not exported. */
const REGISTRIES_MAX = 1000;

/**
 * All registries as one producer. The first registry, the default one as a rule, has the plain scope `prom-client`;
 * others carry a number, so that two registries may hold a metric of the same name. A metric that is in several registries
 * is exported with the first.
 */
class RegistryProducer implements MetricProducer {
  readonly #places: (Place | undefined)[] = [];
  readonly #known = new WeakSet<PromRegistry>();
  /** Metrics and the name under which they were first seen. */
  readonly #names = new WeakMap<PromMetric, string>();
  /** What metrics answered in {@link prepare}, until it is collected. */
  #prepared = new Map<PromMetric, PromData>();
  /** Metrics that have not answered yet, and are not asked again before. */
  readonly #asked = new WeakSet<PromMetric>();
  /** Metrics that failed when they were asked last, which is said once, until they answer again. */
  readonly #failing = new WeakSet<PromMetric>();
  #exemplarsSince = 0;

  add(registry: PromRegistry): void {
    if (this.#known.has(registry)) return;
    const free = this.#places.findIndex(place => place?.registry.deref() === undefined);
    const number = free < 0 ? this.#places.length : free;
    if (number >= REGISTRIES_MAX) {
      diag.warn(`A prom-client registry is not exported: there are ${REGISTRIES_MAX} of them.`);
      return;
    }
    this.#known.add(registry);
    for (const metric of registry.getMetricsAsArray()) if (isMetric(metric)) this.meet(metric);
    this.#places[number] = { registry: new WeakRef(registry), scope: scopeOf(number) };
  }

  /** Remembers a metric's name; true for a metric that is in no registry yet. */
  meet(metric: PromMetric): boolean {
    if (this.#names.has(metric)) return false;
    this.#names.set(metric, metric.name);
    return true;
  }

  /** Lets every metric call its `collect` function, if it has one. */
  async prepare(): Promise<void> {
    const answers = [...this.#metrics()].map(({ metric }) => this.#ask(metric));
    await Promise.all(answers);
  }

  async #ask(metric: PromMetric): Promise<void> {
    if (this.#asked.has(metric)) return;
    this.#asked.add(metric);
    try {
      this.#prepared.set(metric, await metric.get());
      this.#failing.delete(metric);
    } catch (error) {
      if (!this.#failing.has(metric))
        diag.warn(`The prom-client metric "${metric.name}" failed to collect.`, error);
      this.#failing.add(metric);
    } finally {
      this.#asked.delete(metric);
    }
  }

  /** What the metrics answered; of those that did not, or were not asked, what can be read at once. */
  *collect(clock: MetricClock, purpose?: 'page'): Iterable<ScopeMetrics> {
    const prepared = this.#prepared;
    this.#prepared = new Map();
    const exemplarsSince = purpose === 'page' ? 0 : this.#exemplarsSince;
    if (purpose !== 'page') this.#exemplarsSince = Date.now();
    for (const { metric, registry, scope } of this.#metrics()) {
      const data = prepared.get(metric) ?? readNow(metric);
      if (data === undefined) continue;
      const defaultLabels = registry._defaultLabels ?? {};
      const name = this.#names.get(metric) ?? metric.name;
      const record = toRecord(data, { clock, defaultLabels, exemplarsSince, name });
      if (record !== undefined) yield { scope, metrics: [record] };
    }
  }

  /** Every metric once. */
  *#metrics(): Iterable<{ metric: PromMetric; registry: PromRegistry; scope: ScopeRecord }> {
    const seen = new Set<PromMetric>();
    for (const place of this.#places) {
      const registry = place?.registry.deref();
      if (place === undefined || registry === undefined) continue;
      for (const metric of registry.getMetricsAsArray()) {
        if (!isMetric(metric) || seen.has(metric)) continue;
        seen.add(metric);
        this.meet(metric);
        yield { metric, registry, scope: place.scope };
      }
    }
  }
}

function scopeOf(number: number): ScopeRecord {
  if (number === 0) return { name: 'prom-client' };
  return { name: 'prom-client', attributes: { keys: ['prom_client.registry'], values: [number], count: 1 } };
}

/** What a cluster's aggregating registry holds are copies of what the workers export themselves: they have values. */
function isMetric(metric: object): metric is PromMetric {
  return 'get' in metric && typeof metric.get === 'function' && !('values' in metric);
}

let producer: RegistryProducer | undefined;

function theProducer(): RegistryProducer {
  if (producer === undefined) {
    producer = new RegistryProducer();
    registerMetricProducer(producer);
  }
  return producer;
}

/**
 * Exports the metrics of `registry` from now on, as long as the program keeps it. Counters become monotonic sums, gauges,
 * histograms and summaries what they are; names stay, labels become attributes, exemplars of OpenMetrics registries come along.
 */
export function bridgeRegistry(registry: PromRegistry): void {
  if (typeof registry?.getMetricsAsArray === 'function') theProducer().add(registry);
  else diag.warn('bridgeRegistry() takes a registry of prom-client; this is none.');
}

interface PromClient {
  readonly register?: PromRegistry;
  readonly Registry?: { readonly prototype: PatchedPrototype };
}

interface PatchedPrototype {
  registerMetric(this: PromRegistry, metric: object): unknown;
}

const patched = new WeakSet<PatchedPrototype>();

/**
 * Exports the default registry of one loaded copy of prom-client and every registry that a metric is put into from now on.
 * @param exports what `require('prom-client')` returns
 * @returns whether `exports` is that: false for a file inside of the package
 */
export function instrumentPromClient(exports: object): boolean {
  const { Registry, register }: PromClient = exports;
  const prototype = Registry?.prototype;
  if (register === undefined || typeof prototype?.registerMetric !== 'function') return false;
  bridgeRegistry(register);
  if (patched.has(prototype)) return true;
  patched.add(prototype);
  const original = prototype.registerMetric;
  prototype.registerMetric = function registerMetric(this: PromRegistry, metric: object): unknown {
    const result = original.call(this, metric);
    // A merged registry holds metrics of others only: it is none of its own.
    if (isMetric(metric) && theProducer().meet(metric)) bridgeRegistry(this);
    return result;
  };
  return true;
}
