// The load: requests at a fixed rate, whether or not earlier ones are answered, and how long each took, slice by slice.
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { answer } from './peer.ts';

export interface LoadOrder {
  /** Services, which get the requests in turns. */
  readonly ports: readonly number[];
  readonly perSecond: number;
  /** Characters of chance in each path: what cannot be packed. */
  readonly idLength: number;
}

/** What was answered in one stretch of time. */
export interface LoadSlice {
  readonly answered: number;
  /** Answers other than 200, and requests whose connection broke. */
  readonly failed: number;
  /** From the moment a request was due, not from when a connection was free for it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const CONNECTIONS_PER_SERVICE = 16;
const TICK_MS = 1;
const HEAD_END = '\r\n\r\n';

/** One keep-alive connection with at most one request under way; it is made when it is needed. */
class Connection {
  readonly #port: number;
  readonly #done: (connection: Connection, ok: boolean) => void;
  #socket: Socket | undefined;
  #received = '';
  #busy = false;
  dueMs = 0;

  constructor(port: number, done: (connection: Connection, ok: boolean) => void) {
    this.#port = port;
    this.#done = done;
  }

  send(path: string, dueMs: number): void {
    this.dueMs = dueMs;
    this.#busy = true;
    this.#socket ??= this.#open();
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: load\r\n\r\n`);
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#socket = undefined;
      this.#received = '';
      if (this.#busy) this.#finish(false);
    });
    return socket;
  }

  #receive(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf(HEAD_END);
    const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1]);
    if (head < 0 || this.#received.length < head + HEAD_END.length + length) return;
    const ok = this.#received.startsWith('HTTP/1.1 200 ');
    this.#received = '';
    this.#finish(ok);
  }

  #finish(ok: boolean): void {
    this.#busy = false;
    this.#done(this, ok);
  }
}

/** Requests to one service, in the order in which they became due. */
class Lane {
  readonly #idle: Connection[];
  readonly #due: { readonly path: string; readonly ms: number }[] = [];
  readonly #all: readonly Connection[];

  constructor(port: number, done: (dueMs: number, ok: boolean) => void) {
    const finished = (connection: Connection, ok: boolean): void => {
      done(connection.dueMs, ok);
      this.#idle.push(connection);
      this.#send();
    };
    this.#all = Array.from({ length: CONNECTIONS_PER_SERVICE }, () => new Connection(port, finished));
    this.#idle = [...this.#all];
  }

  add(path: string, ms: number): void {
    this.#due.push({ path, ms });
    this.#send();
  }

  close(): void {
    for (const connection of this.#all) connection.close();
  }

  #send(): void {
    while (this.#idle.length > 0 && this.#due.length > 0) {
      const { path, ms } = this.#due.shift()!;
      this.#idle.pop()!.send(path, ms);
    }
  }
}

class Load {
  readonly #lanes: readonly Lane[];
  readonly #perMs: number;
  readonly #idLength: number;
  readonly #startedMs = performance.now();
  #latencies: number[] = [];
  #failed = 0;
  #sent = 0;
  #underWay = 0;
  #timer: NodeJS.Timeout;
  readonly #stopped = Promise.withResolvers<void>();
  #stopping = false;

  constructor({ ports, perSecond, idLength }: LoadOrder) {
    this.#perMs = perSecond / 1000;
    this.#idLength = idLength;
    this.#lanes = ports.map(port => new Lane(port, (dueMs, ok) => this.#finished(dueMs, ok)));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** What has become due since the last tick. */
  #tick(): void {
    const now = performance.now();
    const due = Math.floor((now - this.#startedMs) * this.#perMs);
    for (; this.#sent < due; this.#sent++) {
      this.#underWay++;
      const id = randomBytes(this.#idLength).toString('base64url').slice(0, this.#idLength);
      this.#lanes[this.#sent % this.#lanes.length]!.add(`/items/${this.#sent}-${id}`, now);
    }
  }

  #finished(dueMs: number, ok: boolean): void {
    if (ok) this.#latencies.push(performance.now() - dueMs);
    else this.#failed++;
    if (--this.#underWay === 0 && this.#stopping) this.#stopped.resolve();
  }

  /** What was answered since the last call. */
  slice(): LoadSlice {
    const sorted = Float64Array.from(this.#latencies).sort();
    const quantile = (q: number): number => sorted[Math.ceil(sorted.length * q) - 1] ?? 0;
    const slice = {
      answered: sorted.length,
      failed: this.#failed,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
    };
    this.#latencies = [];
    this.#failed = 0;
    return slice;
  }

  /** Sends nothing more, and resolves with the last slice when all is answered. */
  async stop(): Promise<LoadSlice> {
    clearInterval(this.#timer);
    this.#stopping = true;
    if (this.#underWay > 0) await this.#stopped.promise;
    for (const lane of this.#lanes) lane.close();
    return this.slice();
  }
}

let load: Load;
answer({
  start: (order: LoadOrder): void => {
    load = new Load(order);
  },
  slice: (): LoadSlice => load.slice(),
  stop: (): Promise<LoadSlice> => load.stop(),
});
