// A real collector that gets the inputs of the cases, over real sockets, and what it says and shows of itself.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Signal } from 'tricord/otlp';
import { exportPaths, signalNames } from '../../../../collector/signals.ts';
import type { LedgerPage } from '../../../../collector/web/self-routes.ts';
import { Child } from '../../../../scripts/child.ts';
import { answerOf, framed } from '../../../collector/receivers/raw-call.ts';
import { Agent, batchMessage, newInstance } from '../../../collector/receivers/stream-agent.ts';
import { root } from '../../../source-tree.ts';
import { holds } from '../decoder.ts';
import type { Answer, Way } from './input-case.ts';

const READY_WITHIN_MS = 30_000;
/** What a request may take on a busy machine, however small it is; a larger one 100 ms for each KiB. */
const REQUEST_MS_LEAST = 3000;
const GRPC_ANSWERS: Readonly<Record<number, Answer>> = {
  0: 'taken',
  3: 'malformed',
  8: 'too large',
  12: 'unsupported',
  13: 'undecodable',
};
const HTTP_ANSWERS: Readonly<Record<number, Answer>> = {
  200: 'taken',
  400: 'malformed',
  413: 'too large',
  415: 'unsupported',
};

export interface HttpInput {
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Target {
  readonly #child: Child;
  readonly endpoints: { readonly grpc: string; readonly http: string; readonly web: string };
  /** Items that were taken, by the signal. */
  readonly #taken: Record<Signal, number> = { 1: 0, 2: 0, 3: 0 };
  #session: ClientHttp2Session | undefined;
  #slowestMs = 0;

  private constructor(child: Child) {
    this.#child = child;
    const { endpoints } = JSON.parse(child.readyLine) as { endpoints: Record<string, string> };
    this.endpoints = { grpc: endpoints['otlp.grpc']!, http: endpoints['otlp.http']!, web: endpoints.web! };
  }

  static async start(directory: string, bug: string | undefined): Promise<Target> {
    const free = '127.0.0.1:0';
    const settings = [
      `receivers.otlp.protocols.grpc.endpoint=${free}`,
      `receivers.otlp.protocols.http.endpoint=${free}`,
      `service.web.endpoint=${free}`,
    ].flatMap(setting => ['--set', setting]);
    const child = await Child.start({
      name: 'the collector',
      cwd: root,
      args: [
        ...['--disable-warning=ExperimentalWarning', '--conditions=source'],
        ...[join(import.meta.dirname, 'collector-child.ts'), bug ?? '', '--data-dir', directory, ...settings],
      ],
      env: {},
      ready: /"msg":"ready"/,
      readyWithinMs: READY_WITHIN_MS,
    });
    return new Target(child);
  }

  get running(): boolean {
    return this.#child.running;
  }

  get slowestMs(): number {
    return this.#slowestMs;
  }

  tail(): string {
    return this.#child.tail();
  }

  async stop(): Promise<void> {
    this.#session?.destroy();
    await this.#child.stop();
  }

  /** Sends a request of this signal and demands the answer; `items` is what a taken one has. @throws WrongAnswer */
  async expect(way: Way, signal: Signal, body: Uint8Array, answer: Answer, items = 0): Promise<void> {
    await this.demand(answer, body, () => this.#send(way, signal, body));
    if (answer === 'taken') this.#taken[signal] += items;
  }

  /** Demands the answer of what is done, in time. @throws WrongAnswer */
  async demand(answer: Answer, body: Uint8Array, act: () => Promise<string>): Promise<void> {
    const before = performance.now();
    const limitMs = Math.max(REQUEST_MS_LEAST, 100 * Math.ceil(body.length / 1024));
    const timer = Promise.withResolvers<string>();
    const late = setTimeout(() => timer.resolve(`silent for ${limitMs} ms`), limitMs);
    const given = await Promise.race([act(), timer.promise]).catch(error => String(error));
    clearTimeout(late);
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - before);
    const shown = Buffer.from(body.subarray(0, 60)).toString('hex');
    holds(given === answer, `${given}, not ${answer}, for ${body.length} bytes ${shown}`);
  }

  async #send(way: Way, signal: Signal, body: Uint8Array): Promise<string> {
    if (way === 'grpc') return this.call(exportPaths[signal], framed(body));
    if (way === 'stream') return this.stream([batchMessage(1, { signal, payload: body })]);
    const type = way === 'json' ? 'application/json' : 'application/x-protobuf';
    return this.post({ path: `/v1/${signalNames[signal]}`, body, headers: { 'content-type': type } });
  }

  /** A unary call whose stream carries these bytes. */
  async call(
    path: string,
    bytes: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const session = this.#connected();
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      ...headers,
    });
    stream.on('error', () => undefined);
    const answer = answerOf(stream);
    stream.end(bytes);
    const { code, headers: got } = await answer;
    return GRPC_ANSWERS[code] ?? `status ${code}, HTTP ${got[':status']}`;
  }

  #connected(): ClientHttp2Session {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = connect(`http://${this.endpoints.grpc}`);
      this.#session.on('error', () => undefined);
    }
    return this.#session;
  }

  async post({ path, body, headers }: HttpInput, agent?: HttpAgent): Promise<string> {
    const request = httpRequest(`http://${this.endpoints.http}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf', ...headers },
      ...(agent && { agent }),
    });
    request.on('error', () => undefined);
    const answered = once(request, 'response');
    request.end(body);
    const [response] = (await answered) as [IncomingMessage];
    await buffer(response);
    return HTTP_ANSWERS[response.statusCode!] ?? `status ${response.statusCode}`;
  }

  /** A stream of an instance of its own: the hello, and then these messages. */
  async stream(messages: readonly Uint8Array[]): Promise<string> {
    const agent = new Agent(this.endpoints.grpc);
    try {
      agent.hello(newInstance());
      await agent.until(() => agent.credit > 0);
      for (const message of messages) agent.send(Buffer.from(message));
      const settled = agent.until(() => agent.acked >= messages.length).then(() => undefined);
      settled.catch(() => undefined);
      const error = await Promise.race([settled, agent.ended]);
      if (error !== undefined) return GRPC_ANSWERS[error.code] ?? `status ${error.code}`;
      return agent.rejected.length > 0 ? 'malformed' : 'taken';
    } finally {
      agent.close();
    }
  }

  /** How many items of the signal were taken, as the answers say and as the ledger does. */
  async accepted(signal: Signal): Promise<readonly [answered: number, booked: number]> {
    const { intake } = await this.#ledger();
    const rows = intake.filter(row => row.signal === signalNames[signal]);
    return [this.#taken[signal], rows.reduce((sum, row) => sum + row.accepted, 0)];
  }

  /** The sum of the ledger's gaps. */
  async gap(): Promise<number> {
    const { rows } = await this.#ledger();
    return rows.reduce((sum, row) => sum + Math.abs(row.gap), 0);
  }

  async #ledger(): Promise<LedgerPage> {
    const response = await fetch(`http://${this.endpoints.web}/ledger`, {
      headers: { accept: 'application/json' },
    });
    return (await response.json()) as LedgerPage;
  }

  async ask(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`http://${this.endpoints.web}${path}`, {
      headers: { accept: 'application/json' },
    });
    return { status: response.status, text: await response.text() };
  }

  /** The most that the process ever had in memory, in MB. */
  async peakMemoryMb(): Promise<number> {
    const status = await readFile(`/proc/${this.#child.process.pid}/status`, 'utf8');
    return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) / 1024);
  }
}
