// `/metrics` of the agent: answers scrapes of Prometheus out of the application's own process. Loaded only where it is asked for.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ScopeMetrics } from './metrics/metric-producer.ts';
import { acceptedFormat, mediaTypes, type PageFormat } from './metrics/page/accept.ts';
import { answerPrimary, ClusterPages } from './metrics/page/cluster.ts';
import { type Exposed, exposed } from './metrics/page/families.ts';
import { protobufPage } from './metrics/page/protobuf.ts';
import { textPage } from './metrics/page/text.ts';
import type { AttributeList } from './transport/otlp/record.ts';

interface PageOptions {
  readonly host: string;
  readonly port: number;
  readonly resource: AttributeList;
  /** Lets `visit` see all metrics, cumulative. */
  read(visit: (scopes: Iterable<ScopeMetrics>) => Exposed): Promise<Exposed>;
  /** Milliseconds since the Unix epoch of a record's time. */
  unixMillis(time: number): number;
  /** Told why there is no page. */
  failed(line: string): void;
  /** Told of metrics that are not on the page. */
  warn(line: string): void;
}

const PATH = '/metrics';
const CONNECTIONS_MAX = 64;
/** The instrumentation of HTTP servers passes over one that has it. */
const UNOBSERVED = Symbol.for('tricord.unobserved');

export interface OpenPage {
  close(): void;
}

/** A worker of a cluster leaves the page to its primary, where that has one. */
export function openPage(options: PageOptions): OpenPage {
  const read = (): Promise<Exposed> =>
    options.read(scopes => exposed(scopes, options.resource, options.unixMillis));
  return answerPrimary(read) ?? new MetricsPage(options, read);
}

/** Keeps nothing alive, and is on no trace. */
class MetricsPage implements OpenPage {
  readonly #options: PageOptions;
  readonly #read: () => Promise<Exposed>;
  readonly #server: Server;
  readonly #cluster = new ClusterPages();

  constructor(options: PageOptions, read: () => Promise<Exposed>) {
    this.#options = options;
    this.#read = read;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    Object.assign(this.#server, { [UNOBSERVED]: true });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('connection', socket => socket.unref());
    const { host, port } = options;
    this.#server.on('error', error => options.failed(`no metrics page on ${host}:${port}: ${error.message}`));
    this.#server.listen({ host, port, exclusive: true });
    this.#server.unref();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#cluster.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    if (url.split('?', 1)[0] !== PATH) return refuse(response, 404, {});
    if (method !== 'GET' && method !== 'HEAD') return refuse(response, 405, { Allow: 'GET, HEAD' });
    try {
      const format = acceptedFormat(request.headers.accept);
      const page = written(await this.#exposed(), format);
      response.writeHead(200, { 'Content-Type': mediaTypes[format], 'Content-Length': page.length });
      response.end(method === 'HEAD' ? undefined : page);
    } catch (error) {
      this.#options.warn(`The metrics page could not be written: ${String(error)}`);
      if (!response.headersSent) refuse(response, 500, {});
    }
  }

  async #exposed(): Promise<Exposed> {
    const page = await this.#cluster.all(await this.#read());
    for (const name of page.conflicts)
      this.#options.warn(
        `The metric "${name}" is not on the metrics page: another one of its name has another type.`,
      );
    return page;
  }
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string>): void {
  response.writeHead(status, headers);
  response.end();
}

function written(page: Exposed, format: PageFormat): Uint8Array {
  return format === 'protobuf' ? protobufPage(page) : Buffer.from(textPage(page, format));
}
