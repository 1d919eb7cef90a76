// Who may ask the web port: no foreign name (DNS rebinding), no page of another origin, no cross-site form.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Endpoint } from '../config/values.ts';
import { HttpError } from './router.ts';

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

export class OriginGuard {
  readonly #names: ReadonlySet<string>;
  /** Bound to every address: then each of them is right. A rebound name is never an address. */
  readonly #anyAddress: boolean;

  /** @param allowedHosts further names; `*` allows all */
  constructor(endpoint: Endpoint, allowedHosts: readonly string[]) {
    this.#names = new Set(['localhost', endpoint.host, ...allowedHosts].map(name => name.toLowerCase()));
    this.#anyAddress = WILDCARDS.has(endpoint.host);
  }

  /** @throws HttpError 403 */
  check(request: IncomingMessage): void {
    const { host, origin } = request.headers;
    const name = hostName(host);
    if (name === undefined || !this.#allows(name)) {
      throw new HttpError(403, 'this host name is not known here; service.web.allowed_hosts takes more');
    }
    if (origin !== undefined && !this.#isOurs(origin, host!)) throw new HttpError(403, 'foreign origin');
    const site = request.headers['sec-fetch-site'];
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (!reads && (site === 'cross-site' || site === 'same-site'))
      throw new HttpError(403, 'cross-site request');
  }

  #allows(name: string): boolean {
    if (this.#names.has('*') || this.#names.has(name)) return true;
    if (name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))) return true;
    return this.#anyAddress && isIP(name) !== 0;
  }

  /** The same host and port as asked for, or a name from the configuration. */
  #isOurs(origin: string, host: string): boolean {
    const url = URL.parse(origin);
    if (url === null || !/^https?:$/.test(url.protocol)) return false;
    if (url.host === host.toLowerCase()) return true;
    const configured = url.hostname !== 'localhost' && this.#names.has(url.hostname);
    return configured && isIP(url.hostname) === 0;
  }
}

/** The name in a Host header, without port and brackets, in lower case; undefined when it is none. */
function hostName(host: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s/@]+))(?::\d{1,5})?$/i.exec(host ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}
