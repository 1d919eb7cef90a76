// Collectors that are not there, refuse, say nothing, or say something else.
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { TestCollector } from '../../transport/test-collector.ts';
import type { CaseSource, Env, SettingCase } from './setting-case.ts';

const UNAUTHENTICATED = 16;

/** What a peer does with a connection. */
const peers: Readonly<Record<string, (socket: Socket) => void>> = {
  'black hole': () => {},
  'hangs up': socket => socket.end(),
  resets: socket => socket.resetAndDestroy(),
  'talks of something else': socket => socket.end('220 mail ready\r\n'),
  'sends zeros': socket => socket.end(Buffer.alloc(1000)),
};
const ways: Readonly<Record<string, Env>> = {
  'by gRPC': {},
  'by gRPC, without a thread': { TRICORD_TRANSPORT_THREAD: 'off' },
  'by HTTP': { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' },
};
/** Nobody is to wait for a collector that does not answer. */
const patience: Env = { OTEL_EXPORTER_OTLP_TIMEOUT: '700', TRICORD_FLUSH_TIMEOUT: '1000' };

/** All of them, listening. */
export class WrongCollectors {
  readonly source: CaseSource;
  readonly #servers: readonly Server[];
  readonly #refusing: TestCollector;

  private constructor(servers: readonly Server[], refusing: TestCollector, cases: readonly SettingCase[]) {
    this.#servers = servers;
    this.#refusing = refusing;
    this.source = { count: cases.length, caseAt: point => cases[point]! };
  }

  static async start(): Promise<WrongCollectors> {
    const servers: Server[] = [
      ...Object.values(peers).map(peer => createServer(socket => peer(socket.on('error', () => {})))),
      ...[404, 500, 503].map(status =>
        createHttpServer((_request, response) => {
          response.writeHead(status).end('no');
        }),
      ),
    ];
    const ports = await Promise.all(servers.map(listening));
    const refusing = await TestCollector.start({
      stream: false,
      onUnary: () => ({ code: UNAUTHENTICATED, details: 'who are you' }),
    });
    const closed = createServer();
    const free = await listening(closed);
    closed.close();
    const cases = [...ports, refusing.port, free].flatMap(port =>
      Object.values(ways).map(way => ({
        env: { ...patience, ...way, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` },
        wrong: [`127.0.0.1:${port}`],
        unreachable: true,
      })),
    );
    return new WrongCollectors(servers, refusing, cases);
  }

  stop(): void {
    for (const server of this.#servers) server.close();
    this.#refusing.stop();
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
