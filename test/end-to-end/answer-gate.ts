// A TCP proxy that can hold back what the server answers: what was acknowledged then does not reach the client.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class AnswerGate {
  readonly #server: Server;
  readonly #upstreams = new Set<Socket>();
  #holding = false;

  private constructor(host: string, port: number) {
    this.#server = createServer(client => this.#join(client, connect(port, host)));
  }

  /** Stands in front of `host:port`. */
  static async before(endpoint: string): Promise<AnswerGate> {
    const [host, port] = endpoint.split(':') as [string, string];
    const gate = new AnswerGate(host, Number(port));
    await once(gate.#server.listen(0, '127.0.0.1'), 'listening');
    return gate;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #join(client: Socket, upstream: Socket): void {
    this.#upstreams.add(upstream);
    const end = (): void => {
      this.#upstreams.delete(upstream);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    client.pipe(upstream);
    upstream.on('data', answer => this.#holding || client.write(answer));
  }

  /** From now on answers are lost; what the client sends still arrives. */
  hold(): void {
    this.#holding = true;
  }

  release(): void {
    this.#holding = false;
  }

  /** Breaks every connection; new ones are taken. */
  sever(): void {
    for (const upstream of this.#upstreams) upstream.destroy();
  }

  close(): void {
    this.#server.close();
    this.sever();
  }
}
