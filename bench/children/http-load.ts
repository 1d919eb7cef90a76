// The load generator: requests over keep-alive connections, as fast as they are answered or at a fixed rate.
import { connect, type Socket } from 'node:net';
import { heard, say } from '../parent.ts';

/** One run. Without a rate, each connection sends its next request when it has its answer. */
export interface LoadOrder {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly perSecond?: number | undefined;
}

export interface LoadReport {
  readonly answered: number;
  /** Answers other than 200, and connections that broke: the first of those ends the run. */
  readonly failed: number;
  readonly seconds: number;
  /** From the moment a request was due, not from when a connection was free for it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of one core, of this process: well below 1 unless the generator is what limits the rate. */
  readonly cpuShare: number;
}

/*
 * The generator must cost far less than the service, so it speaks HTTP/1.1 over bare sockets: a request is a constant, and
 * an answer is its status line, its content-length and so many bytes.
 */
const PATHS = 100;
const requests: readonly Buffer[] = Array.from({ length: PATHS }, (_, id) =>
  Buffer.from(
    `GET /products/${id} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: application/json\r\n\r\n`,
  ),
);
const HEAD_END = Buffer.from('\r\n\r\n');
const OK = 'http/1.1 200';

/** One keep-alive connection with at most one request under way. */
class Connection {
  readonly #socket: Socket;
  readonly #answered: (connection: Connection, ok: boolean) => void;
  #pending: Buffer | undefined;
  /** When the request under way was due; milliseconds of `performance.now()`. */
  dueMs = 0;

  constructor(port: number, answered: (connection: Connection, ok: boolean) => void, broken: () => void) {
    this.#answered = answered;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', broken);
  }

  send(request: Buffer, dueMs: number): void {
    this.dueMs = dueMs;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.removeAllListeners('close').destroy();
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    const headEnd = bytes.indexOf(HEAD_END);
    const head = headEnd < 0 ? '' : bytes.toString('latin1', 0, headEnd).toLowerCase();
    const length = Number(/content-length: (\d+)/.exec(head)?.[1]);
    if (!(bytes.length >= headEnd + HEAD_END.length + length)) {
      this.#pending = bytes;
      return;
    }
    this.#pending = undefined;
    this.#answered(this, head.startsWith(OK));
  }
}

class Load {
  readonly #order: LoadOrder;
  readonly #idle: Connection[] = [];
  readonly #latencies: number[] = [];
  readonly #due: number[] = [];
  readonly #connections: readonly Connection[];
  readonly #done = Promise.withResolvers<void>();
  #sent = 0;
  #failed = 0;
  #startedMs = 0;
  #stopping = false;
  #underWay = 0;

  constructor(order: LoadOrder) {
    this.#order = order;
    const answered = (connection: Connection, ok: boolean): void => this.#answered(connection, ok);
    const broken = (): void => {
      this.#failed++;
      this.#stop();
      this.#done.resolve();
    };
    const connections = { length: order.connections };
    this.#connections = Array.from(connections, () => new Connection(order.port, answered, broken));
  }

  async run(): Promise<LoadReport> {
    const cpu = process.cpuUsage();
    this.#startedMs = performance.now();
    if (this.#order.perSecond === undefined)
      for (const each of this.#connections) this.#send(each, this.#startedMs);
    else {
      this.#idle.push(...this.#connections);
      this.#tick(this.#order.perSecond);
    }
    setTimeout(() => this.#stop(), this.#order.seconds * 1000);
    const awake = this.#order.perSecond === undefined ? this.#stayAwake() : undefined;
    await this.#done.promise;
    clearImmediate(awake?.next);
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    for (const each of this.#connections) each.close();
    return this.#report(seconds, (user + system) / 1e6 / seconds);
  }

  /**
   * Keeps the event loop from sleeping. What it costs the service to wake a sleeping peer, some ten microseconds a response on
   * a virtual machine, would otherwise depend on how often the peer falls asleep: on how slow the service is. At a fixed rate
   * it sleeps: who is awake all the time takes the processor from the receiver, and waits for it.
   */
  #stayAwake(): { next: NodeJS.Immediate } {
    const turn = (): void => {
      awake.next = setImmediate(turn);
    };
    const awake = { next: setImmediate(turn) };
    return awake;
  }

  #report(seconds: number, cpuShare: number): LoadReport {
    const sorted = Float64Array.from(this.#latencies).sort();
    const quantile = (q: number): number => sorted[Math.ceil(sorted.length * q) - 1] ?? Number.NaN;
    const [answered, failed] = [sorted.length, this.#failed];
    return { answered, failed, seconds, p50Ms: quantile(0.5), p99Ms: quantile(0.99), cpuShare };
  }

  /** What has become due since the last tick is sent on free connections, and waits when there is none. */
  #tick(perSecond: number): void {
    if (this.#stopping) return;
    const now = performance.now();
    const due = Math.floor(((now - this.#startedMs) / 1000) * perSecond);
    for (let sent = this.#sent + this.#due.length; sent < due; sent++) this.#due.push(now);
    this.#sendDue();
    setTimeout(() => this.#tick(perSecond), 1);
  }

  #sendDue(): void {
    let taken = 0;
    while (taken < this.#due.length && this.#idle.length > 0)
      this.#send(this.#idle.pop()!, this.#due[taken++]!);
    this.#due.splice(0, taken);
  }

  #send(connection: Connection, dueMs: number): void {
    this.#underWay++;
    connection.send(requests[this.#sent++ % PATHS]!, dueMs);
  }

  #answered(connection: Connection, ok: boolean): void {
    this.#underWay--;
    const now = performance.now();
    if (ok) this.#latencies.push(now - connection.dueMs);
    else this.#failed++;
    if (this.#stopping) {
      if (this.#underWay === 0) this.#done.resolve();
    } else if (this.#order.perSecond === undefined) this.#send(connection, now);
    else {
      this.#idle.push(connection);
      if (this.#due.length > 0) this.#sendDue();
    }
  }

  #stop(): void {
    this.#stopping = true;
    if (this.#underWay === 0) this.#done.resolve();
  }
}

for (;;) say('loaded', await new Load(await heard<LoadOrder>('load')).run());
