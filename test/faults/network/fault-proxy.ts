// A TCP proxy that does to connections what networks do: slows, slices, resets, swallows, forgets and refuses them.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Random, seededRandom } from '../../collector/queue/memory-disk.ts';
import { FaultLink, type Passage } from './fault-link.ts';

/** What becomes of a connection that is made. */
export type Admission = 'forward' | 'reset' | 'black hole';

const LISTEN_ATTEMPTS = 50;
const LISTEN_AGAIN_MS = 100;

export class FaultProxy {
  /** `host:port` of what stands behind it; holds for connections made from then on. */
  target: string;
  admission: Admission = 'forward';
  /** Every connection of which a side is open. */
  readonly links: Set<FaultLink> = new Set();
  /** Connections that were made so far. */
  connections = 0;
  /** Black holes that their clients have given up by themselves. */
  abandoned = 0;
  readonly #random: Random;
  #passage: Passage = {};
  #server: Server | undefined;
  #port = 0;

  private constructor(target: string, seed: number) {
    this.target = target;
    this.#random = seededRandom(seed);
  }

  /** Listens on a free port of 127.0.0.1. @param seed decides all that is drawn by chance */
  static async before(target: string, seed: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, seed);
    await proxy.accept();
    return proxy;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** How bytes pass from now on, on every connection and those to come. */
  set passage(passage: Passage) {
    this.#passage = passage;
    for (const link of this.links) link.passage = passage;
  }

  /** Connections are refused from now on; those that there are stay. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Listens where it did before it refused. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return;
    for (let attempt = 1; ; attempt++) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, client => this.#admit(client));
      try {
        await once(server.listen(this.#port, '127.0.0.1'), 'listening');
        this.#server = server;
        break;
      } catch (error) {
        // Meanwhile the port may have become the local one of somebody's connection.
        if (attempt === LISTEN_ATTEMPTS) throw error;
        await delay(LISTEN_AGAIN_MS);
      }
    }
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** New connections, and those whose bytes still pass, are as through no proxy. */
  async heal(): Promise<void> {
    this.passage = {};
    this.admission = 'forward';
    await this.accept();
  }

  close(): void {
    this.refuse();
    for (const link of this.links) link.reset();
  }

  #admit(client: Socket): void {
    this.connections++;
    if (this.admission === 'reset') {
      client.on('error', () => undefined).resetAndDestroy();
      return;
    }
    const [host, port] = this.target.split(':') as [string, string];
    const server = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    const link = new FaultLink(client, server, this.#passage, this.#random, () => {
      this.links.delete(link);
      if (link.abandoned) this.abandoned++;
    });
    this.links.add(link);
    if (this.admission === 'black hole') link.blackHole();
  }
}
