// The running graph: the exporters with their loops over the queue, started before the receivers and stopped after them.
import { setTimeout as delay } from 'node:timers/promises';
import type { Exporter, Processor } from './component.ts';
import type { Config } from './config.ts';
import { ExportLoop } from './export-loop.ts';
import type { ComponentContext } from './factory.ts';
import type { Ledger } from './ledger/ledger.ts';
import { StartError } from './listen.ts';
import type { Queue } from './queue/queue.ts';
import { Routes } from './routes.ts';
import { pathsOf } from './routing.ts';
import { signalNames } from './signals.ts';

export type ContextOf = (id: string) => ComponentContext;

interface Branch {
  readonly id: string;
  readonly exporter: Exporter;
  readonly loop: ExportLoop;
}

/** Everything behind the queue. */
export class Pipelines {
  readonly #branches: readonly Branch[];
  readonly #started: Branch[] = [];

  constructor(branches: readonly Branch[]) {
    this.#branches = branches;
  }

  /** Makes processors and exporters; nothing runs yet. */
  static async create(
    config: Config,
    queue: Queue,
    ledger: Ledger,
    contextOf: ContextOf,
  ): Promise<Pipelines> {
    const steps = new Map<string, Processor>();
    for (const { id, factory, settings } of [...config.processors, ...config.connectors]) {
      steps.set(id, await factory.create(settings, contextOf(id)));
    }
    const paths = pathsOf(config);
    for (const { exporter, receiver, signal, steps: ids } of paths) {
      const path = {
        receiver,
        signal: signalNames[signal],
        steps: ids,
        needs: neededBy(ids.map(id => steps.get(id)!)),
      };
      contextOf(exporter).log.debug('path', path);
    }
    const branches: Branch[] = [];
    for (const { id, factory, settings } of config.exporters) {
      const exporter = await factory.create(settings, contextOf(id)).catch(startError(id));
      const reader = queue.reader(id);
      const own = paths.filter(path => path.exporter === id);
      const routes = new Routes(own, steps, ledger, ledger.book(id, reader));
      branches.push({ id, exporter, loop: new ExportLoop(exporter, reader, routes, contextOf(id)) });
    }
    return new Pipelines(branches);
  }

  get exporters(): readonly Exporter[] {
    return this.#branches.map(({ exporter }) => exporter);
  }

  /** How each exporter fares, by `exporter <id>`. */
  states(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#branches.map(({ id, loop }) => [`exporter ${id}`, loop.state]));
  }

  async start(): Promise<void> {
    for (const branch of this.#branches) {
      await branch.exporter.start().catch(startError(branch.id));
      this.#started.push(branch);
      branch.loop.start();
    }
  }

  /** Exports what is in the queue, for as long as `withinMs` allows; the rest stays there. Receivers have stopped. */
  async stop(withinMs: number): Promise<void> {
    const late = new AbortController();
    const drained = Promise.all(this.#started.map(({ loop }) => loop.drain()));
    await Promise.race([drained, delay(withinMs, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    for (const { loop } of this.#started) loop.abort();
    await Promise.all(this.#started.map(({ exporter }) => exporter.stop()));
    await drained;
  }
}

/** What the most demanding of the steps reads: whether batches on this path are opened at all. */
function neededBy(steps: readonly Processor[]): Processor['needs'] {
  const needs = steps.map(step => step.needs);
  return needs.includes('full') ? 'full' : needs.includes('shallow') ? 'shallow' : 'bytes';
}

function startError(id: string): (error: unknown) => never {
  return error => {
    if (error instanceof StartError) throw error;
    throw new StartError(`exporter ${id} cannot start: ${(error as Error).message}`, { cause: error });
  };
}
