// Real processes for the end-to-end tests: the built collector and services on free ports, and questions to them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LedgerPage } from '../../collector/web/self-routes.ts';
import { Child } from '../../scripts/child.ts';
import { balancedLedger } from '../collector/ledger/balanced-ledger.ts';
import type { Json } from '../json.ts';
import { root } from '../source-tree.ts';

const READY_WITHIN_MS = 30_000;
const EVENTUALLY_MS = 30_000;

export interface Endpoints {
  /** `host:port` of each listener. */
  readonly grpc: string;
  readonly http: string;
  readonly web: string;
}

/** Everything a test starts; stopped and removed in reverse order, after a look at the ledger of every collector that lives. */
export class Stack {
  readonly #endings: (() => Promise<unknown>)[] = [];
  readonly #collectors: Collector[] = [];

  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'tricord-'));
    this.#endings.push(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  async collector(dataDir: string, at: Partial<Endpoints> = {}): Promise<Collector> {
    const free = '127.0.0.1:0';
    const settings = [
      `receivers.otlp.protocols.grpc.endpoint=${at.grpc ?? free}`,
      `receivers.otlp.protocols.http.endpoint=${at.http ?? free}`,
      `service.web.endpoint=${at.web ?? free}`,
    ];
    const args = [
      'collector/dist/main.js',
      '--data-dir',
      dataDir,
      ...settings.flatMap(setting => ['--set', setting]),
    ];
    const child = await this.start('collector', '.', args, {}, /"msg":"ready"/);
    const collector = new Collector(child);
    this.#collectors.push(collector);
    return collector;
  }

  /** One of the examples, observed by the built agent unless it brings its own. */
  async service(
    name: string,
    collector: Collector,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Service> {
    const agent = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.endpoints.grpc}`,
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      TRICORD_METRIC_LABELS: 'tenant',
      TRICORD_BAGGAGE_LABELS: 'tenant',
    };
    const args = ['--require', 'tricord/register', 'main.ts'];
    const child = await this.start(
      name,
      `examples/${name}`,
      args,
      { ...agent, PORT: '0', OTEL_SERVICE_NAME: name, ...env },
      /listening/,
    );
    const port = /"port":(\d+)/.exec(child.readyLine)?.[1] ?? /127\.0\.0\.1:(\d+)/.exec(child.readyLine)?.[1];
    return { child, url: `http://127.0.0.1:${port}` };
  }

  async start(
    name: string,
    folder: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    ready: RegExp,
  ): Promise<Child> {
    const child = await Child.start({
      name,
      cwd: join(root, folder),
      args,
      env,
      ready,
      readyWithinMs: READY_WITHIN_MS,
    });
    this.#endings.push(() => child.stop());
    return child;
  }

  async end(): Promise<void> {
    const alive = this.#collectors
      .splice(0)
      .filter(({ child }) => child.process.exitCode === null && child.process.signalCode === null);
    const looks = await Promise.allSettled(alive.map(collector => collector.ledger()));
    for (const ending of this.#endings.splice(0).reverse()) await ending();
    for (const look of looks) if (look.status === 'rejected') throw look.reason;
  }
}

export interface Service {
  readonly child: Child;
  readonly url: string;
}

export class Collector {
  readonly child: Child;
  readonly endpoints: Endpoints;

  constructor(child: Child) {
    this.child = child;
    const { endpoints } = JSON.parse(child.readyLine) as { endpoints: Record<string, string> };
    this.endpoints = { grpc: endpoints['otlp.grpc']!, http: endpoints['otlp.http']!, web: endpoints.web! };
  }

  get url(): string {
    return `http://${this.endpoints.web}`;
  }

  /** The ledger, after a look that it has no gap. */
  ledger(): Promise<LedgerPage> {
    return balancedLedger(this.endpoints.web);
  }

  async ask(
    path: string,
    query: Readonly<Record<string, string | number>> = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Json> {
    const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
    const response = await fetch(`${this.url}${path}?${search}`, { headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}?${search}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** Trace IDs that a TraceQL query finds in the last hour. */
  async traces(query: string, limit = 20): Promise<string[]> {
    const end = Math.ceil(Date.now() / 1000) + 60;
    const { traces } = await this.ask('/tempo/api/search', { q: query, start: end - 3600, end, limit });
    return traces.map(({ traceID }: { traceID: string }) => traceID.padStart(32, '0'));
  }

  /** Every span of a trace, with its service and its attributes as one flat object. */
  async trace(traceId: string): Promise<FoundSpan[]> {
    const { trace } = await this.ask(`/tempo/api/v2/traces/${traceId}`, {}, { accept: 'application/json' });
    return (trace.resourceSpans ?? []).flatMap((group: OtlpGroup) => {
      const service = String(flat(group.resource.attributes)['service.name']);
      return group.scopeSpans.flatMap(({ spans }) =>
        spans.map(span => ({ ...span, service, attributes: flat(span.attributes) })),
      );
    });
  }

  /** Log lines in the last hour that a LogQL query finds, with all their labels. */
  async logs(query: string): Promise<{ line: string; labels: Record<string, string> }[]> {
    const { data } = await this.ask('/loki/api/v1/query_range', { query, limit: 1000 });
    return data.result.flatMap(
      ({ stream, values }: { stream: Record<string, string>; values: [string, string][] }) =>
        values.map(([, line]) => ({ line, labels: stream })),
    );
  }
}

export interface FoundSpan {
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly service: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface OtlpGroup {
  readonly resource: { readonly attributes: OtlpAttribute[] };
  readonly scopeSpans: {
    readonly spans: (Omit<FoundSpan, 'service' | 'attributes'> & { readonly attributes?: OtlpAttribute[] })[];
  }[];
}

function flat(attributes: readonly OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** Asks until the answer holds: what one process has sent, another shows a little later. @throws the last failure */
export async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + EVENTUALLY_MS;
  for (let pause = 20; ; pause = Math.min(pause * 2, 500)) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(pause);
    }
  }
}
