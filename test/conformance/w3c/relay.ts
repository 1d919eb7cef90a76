// The application between a caller that writes headers as they are on the wire and the callees, who see what is handed on.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { registerFile } from '../../register/application.ts';
import { root } from '../../source-tree.ts';
import { TestCollector } from '../../transport/test-collector.ts';

const application = join(import.meta.dirname, 'relay-app.ts');

/** Name and value, both exactly as they are written. */
export type Header = readonly [name: string, value: string];

/** What one callee was handed. */
export interface Arrival {
  readonly traceId: string;
  readonly parentId: string;
  /** The byte of trace flags. */
  readonly flags: number;
  /** Members of all tracestate headers, in their order. */
  readonly tracestate: readonly Header[];
}

export class Relay {
  readonly #collector: TestCollector;
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #callees: Server;
  /** The raw headers of each call, by its path. */
  readonly #calls = new Map<string, readonly string[]>();
  #paths = 0;

  static async start(): Promise<Relay> {
    const collector = await TestCollector.start();
    const child = spawn(process.execPath, ['--require', registerFile, application], {
      cwd: root,
      env: { PATH: process.env.PATH, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [port] = await once(child.stdout!, 'data');
    const callees = createServer();
    await once(callees.listen(0, '127.0.0.1'), 'listening');
    return new Relay(collector, child, Number(port), callees);
  }

  private constructor(collector: TestCollector, child: ChildProcess, port: number, callees: Server) {
    this.#collector = collector;
    this.#child = child;
    this.#port = port;
    this.#callees = callees.on('request', (request, response) => {
      this.#calls.set(request.url!, request.rawHeaders);
      response.end();
    });
  }

  /** Sends one request with these headers; what arrives at `count` callees, node:http and fetch in turns. */
  async send(headers: readonly Header[], count = 2): Promise<Arrival[]> {
    const { port } = this.#callees.address() as AddressInfo;
    const paths = Array.from({ length: count }, () => `/${this.#paths++}`);
    const answer = await this.#post(
      headers,
      JSON.stringify(paths.map(path => `http://127.0.0.1:${port}${path}`)),
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);
    return paths.map(path => arrivalOf(this.#calls.get(path) ?? []));
  }

  async #post(headers: readonly Header[], body: string): Promise<string> {
    const socket = connect(this.#port, '127.0.0.1');
    const lines = [
      'POST / HTTP/1.1',
      'Host: relay',
      'Connection: close',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers.map(([name, value]) => `${name}: ${value}`),
    ];
    // Ended by the other side: a server takes an end before the answer for an abort.
    socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
    return text(socket);
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.stdin!.end();
    await exited;
    this.#callees.close();
    this.#callees.closeAllConnections();
    this.#collector.stop();
  }
}

/** What the raw headers say: exactly one well-formed traceparent of version 00, and any tracestate. */
function arrivalOf(rawHeaders: readonly string[]): Arrival {
  const having = (wanted: string): string[] =>
    rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1] === wanted);
  const traceparents = having('traceparent');
  assert.equal(traceparents.length, 1, `one traceparent among ${rawHeaders.join(' | ')}`);
  assert.match(traceparents[0]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/);
  const [, traceId, parentId, flags] = traceparents[0]!.split('-') as [string, string, string, string];
  assert.match(traceId, /[^0]/);
  assert.match(parentId, /[^0]/);
  const members = having('tracestate').flatMap(header => header.split(','));
  return {
    traceId,
    parentId,
    flags: Number.parseInt(flags, 16),
    tracestate: members.map(member => {
      const at = member.indexOf('=');
      return [member.slice(0, at), member.slice(at + 1)];
    }),
  };
}
