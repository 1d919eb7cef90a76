// One running collector: everything started in the order of dependence, and stopped in reverse.
import { access, constants } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Exporter } from './component.ts';
import type { Config } from './config.ts';
import { makeDirectory } from './directory.ts';
import type { ComponentContext, Receiver } from './factory.ts';
import { Ledger } from './ledger/ledger.ts';
import { observeLedger } from './ledger/observe-ledger.ts';
import { StartError } from './listen.ts';
import type { Log } from './log.ts';
import { Pipelines } from './pipeline.ts';
import { observeProcess, observeQueue, observeRequests } from './process-telemetry.ts';
import type { Queue, QueueEvent } from './queue/queue.ts';
import { openQueue } from './queue/wal.ts';
import { RequestMemory } from './receivers/request-memory.ts';
import { SelfTelemetry } from './self-telemetry.ts';
import type { Store } from './store/store.ts';
import { queryRoutes } from './web/query-routes.ts';
import { type Health, type LedgerPage, selfRoutes } from './web/self-routes.ts';
import { WebServer } from './web/server.ts';
import { StaticFiles } from './web/static-files.ts';

export interface CollectorOptions {
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
  /** Folder of the page's files. */
  readonly pageDir: string;
}

/*
 *   started:  web ─▶ queue ─▶ exporters and their loops ─▶ receivers ─▶ ready
 *   stopped:  receivers (in-flight acknowledgements) ─▶ loops drain ─▶ exporters ─▶ queue ─▶ web
 *
 * The web port comes first and goes last, so that `/healthz` answers in between.
 */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #telemetry = new SelfTelemetry();
  readonly #ledger = new Ledger();
  readonly #dataDir: string;
  /** What is to be undone, in the order in which it was done. */
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #endpoints: Record<string, string> = {};
  readonly #receivers: Record<string, string> = {};
  #queue: Queue | undefined;
  #pipelines: Pipelines | undefined;
  #status: Health['status'] = 'starting';
  #stopping: Promise<void> | undefined;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#dataDir = resolve(options.config.service.data_dir);
    observeProcess(this.#telemetry, options.version);
    observeLedger(this.#telemetry, this.#ledger);
  }

  /** `host:port` by `<receiver id>.<protocol>`, and of `web`. */
  get endpoints(): Readonly<Record<string, string>> {
    return this.#endpoints;
  }

  /** @throws StartError, after undoing what was started */
  async start(): Promise<void> {
    try {
      const web = await this.#startWeb();
      await prepareDirectory(this.#dataDir);
      const queue = await this.#openQueue();
      const pipelines = await this.#startPipelines(queue);
      await this.#mountStore(pipelines, web);
      await this.#startReceivers(queue);
      this.#status = 'ready';
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Everything acknowledged is exported or stays in the queue. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#status = 'draining';
    for (const undo of this.#undo.reverse()) {
      await undo().catch(error => this.#options.log.error('failure while stopping', { reason: error }));
    }
  }

  async #startWeb(): Promise<WebServer> {
    const { config, log, pageDir } = this.#options;
    const { endpoint, allowed_hosts: allowedHosts } = config.service.web;
    const files = await StaticFiles.load(pageDir);
    const web = new WebServer({ endpoint, allowedHosts, files, log: log.child({ component: 'web' }) });
    web.mount(
      selfRoutes(
        () => this.#health(),
        this.#telemetry,
        () => this.#ledgerPage(),
      ),
    );
    await web.start();
    this.#undo.push(() => web.stop());
    this.#endpoints.web = web.address();
    return web;
  }

  #health(): Health {
    const queue = this.#queue === undefined ? {} : { queue: this.#queue.bytesFree() > 0 ? 'ok' : 'full' };
    return {
      status: this.#status,
      components: { ...queue, ...this.#receivers, ...this.#pipelines?.states() },
    };
  }

  #ledgerPage(): LedgerPage {
    const stats = this.#queue?.stats();
    const found =
      stats === undefined
        ? null
        : {
            batches: Number(stats.recovered),
            damaged: Number(stats.damaged),
            tornBytes: Number(stats.tornBytes),
          };
    return { rows: this.#ledger.rows(), intake: this.#ledger.intake(), found };
  }

  async #openQueue(): Promise<Queue> {
    const { config, log } = this.#options;
    const settings = config.service.queue;
    const queueLog = log.child({ component: 'queue' });
    const onEvent = ({ level, message, error }: QueueEvent): void =>
      queueLog.log(level, message, { reason: error });
    const queue = await openQueue({
      directory: join(this.#dataDir, 'wal'),
      readers: config.exporters.map(({ id }) => id),
      bytesMax: settings.max_size,
      segmentBytes: settings.segment_size,
      ageMaxMs: settings.max_age === 0 ? undefined : Math.ceil(settings.max_age),
      whenFull: settings.when_full,
      // What one client may hold is half of the memory for requests: that must not fill what waits for the disk.
      waitingBytesMax: config.service.requests.max_size,
      fsync: settings.fsync,
      fsyncIntervalMs: settings.fsync_interval,
      onEvent,
    }).catch(error => {
      throw new StartError(`the queue cannot be opened: ${(error as Error).message}`, { cause: error });
    });
    this.#undo.push(() => queue.close());
    observeQueue(this.#telemetry, queue);
    this.#queue = queue;
    return queue;
  }

  async #startPipelines(queue: Queue): Promise<Pipelines> {
    const { config } = this.#options;
    const pipelines = await Pipelines.create(config, queue, this.#ledger, id => this.#contextOf(id));
    this.#pipelines = pipelines;
    this.#undo.push(() => pipelines.stop(config.service.shutdown_timeout));
    await pipelines.start();
    return pipelines;
  }

  async #mountStore(pipelines: Pipelines, web: WebServer): Promise<void> {
    const exporter = pipelines.exporters.find(hasStore);
    if (exporter !== undefined) web.mount(await queryRoutes(exporter.store));
  }

  async #startReceivers(queue: Queue): Promise<void> {
    const intake = this.#ledger.counting(queue);
    const memory = new RequestMemory(this.#options.config.service.requests.max_size);
    observeRequests(this.#telemetry, memory);
    for (const { id, factory, settings } of this.#options.config.receivers) {
      const receiver: Receiver = await factory.create(settings, this.#contextOf(id), intake, memory);
      this.#undo.push(() => receiver.stop());
      await receiver.start();
      this.#receivers[`receiver ${id}`] = 'ok';
      for (const [protocol, address] of Object.entries(receiver.endpoints())) {
        this.#endpoints[`${id}.${protocol}`] = address;
      }
    }
  }

  #contextOf(id: string): ComponentContext {
    const log = this.#options.log.child({ component: id });
    return { id, dataDir: this.#dataDir, log, telemetry: this.#telemetry };
  }
}

function hasStore(exporter: Exporter): exporter is Exporter & { readonly store: Store } {
  return 'store' in exporter;
}

/** @throws StartError that names the path and the reason */
async function prepareDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path, 0o700);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = (error as Error).message;
    const remedy = 'choose another with --data-dir or service.data_dir';
    throw new StartError(`the data directory ${path} cannot be used: ${reason}; ${remedy}`, { cause: error });
  }
}
