// Reads the attributes of a server span from request and response: URL, who asked, which server was meant, what it answered.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type Attributes, propagation, type Span, type TextMapGetter } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { defaultPort, Http, redactQuery, setOriginalMethod, splitAuthority } from './http-conventions.ts';
import { isServerError } from './http-server-durations.ts';

/** The head of a request, over HTTP/1 or HTTP/2. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly httpVersion: string;
  readonly socket: { readonly remoteAddress?: string | undefined; readonly remotePort?: number | undefined };
}

/** How propagators read the headers of a request, which Node gives lowercase names: a propagator may ask by any case. */
export const headerGetter: TextMapGetter<IncomingHttpHeaders> = {
  keys: carrier => Object.keys(carrier),
  get: (carrier, key) => carrier[key] ?? carrier[key.toLowerCase()],
};

/** The context that the caller sent along. */
export function contextOf(headers: IncomingHttpHeaders): ObservabilityContext {
  return ObservabilityContext.from(propagation.extract(ObservabilityContext.root, headers, headerGetter));
}

/** What the headers of a request may hold that concerns its span. */
export const HeaderOf = { context: 1, scheme: 2, body: 4 } as const;

const schemeHeaders = ['x-forwarded-proto', 'forwarded'];
const bodyHeaders = ['content-length', 'transfer-encoding'];

interface KnownHeader {
  readonly name: string;
  readonly firstLetter: number;
  readonly kind: number;
}

/** Bit that makes an ASCII letter a small one. */
const SMALL = 0x20;

/**
 * Tells what a request's headers hold by a look at the lengths and first letters of their names: most requests hold nothing of
 * it, and then Node need not make an object of their headers for us.
 */
export class HeaderSurvey {
  /** By the length of the name. */
  readonly #known: KnownHeader[][] = [];

  /** @param contextHeaders what the propagator reads */
  constructor(contextHeaders: readonly string[]) {
    this.#add(contextHeaders, HeaderOf.context);
    this.#add(schemeHeaders, HeaderOf.scheme);
    this.#add(bodyHeaders, HeaderOf.body);
  }

  #add(names: readonly string[], kind: number): void {
    for (const each of names) {
      const name = each.toLowerCase();
      this.#known[name.length] ??= [];
      this.#known[name.length]!.push({ name, firstLetter: name.charCodeAt(0) | SMALL, kind });
    }
  }

  /** The kinds that are there, or-ed. */
  of({ rawHeaders }: IncomingMessage): number {
    let kinds = 0;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]!;
      const candidates = this.#known[name.length];
      if (candidates === undefined) continue;
      const firstLetter = name.charCodeAt(0) | SMALL;
      for (const known of candidates) {
        if (known.firstLetter === firstLetter && known.name === name.toLowerCase()) kinds |= known.kind;
      }
    }
    return kinds;
  }
}

/** `https` or `http`, as the connection is. */
export function schemeOfConnection({ socket }: IncomingMessage): 'http' | 'https' {
  return (socket as { encrypted?: boolean } | null)?.encrypted === true ? 'https' : 'http';
}

/** `https` or `http`, as the client saw it: by the proxy's word, or by the connection. */
export function schemeOf(headers: IncomingHttpHeaders, connection: 'http' | 'https'): 'http' | 'https' {
  const proto = first(headers['x-forwarded-proto']) ?? forwarded(headers, 'proto');
  return proto === 'http' || proto === 'https' ? proto : connection;
}

/** Whether a body follows. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined;
}

/** What samplers decide by, and can be had without the headers. */
export function attributesOf({ url = '/' }: RequestHead, method: string, scheme: string): Attributes {
  const target = pathOf(url);
  const query = target.indexOf('?');
  const path = (query < 0 ? target : target.slice(0, query)) || '/';
  const attributes: Attributes = { [Http.method]: method, [Http.scheme]: scheme, [Http.path]: path };
  if (query >= 0) attributes[Http.query] = redactQuery(target.slice(query + 1));
  return attributes;
}

/** Path and query of the request target, which is a URL when the client took us for its proxy. */
function pathOf(target: string): string {
  return target[0] === '/' ? target : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
}

/** Sets what else is known when the request has arrived (semantic conventions, "HTTP server span"). */
export function describeServerRequest(
  span: Span,
  request: RequestHead,
  method: string,
  scheme: string,
): void {
  const { headers, socket } = request;
  setOriginalMethod(span, method, request.method);
  setServer(span, headers, scheme);
  const peer = socket.remoteAddress;
  const client = forwarded(headers, 'for') ?? first(headers['x-forwarded-for']) ?? peer;
  if (client !== undefined) span.setAttribute(Http.clientAddress, client);
  if (peer !== undefined) {
    span.setAttribute(Http.peerAddress, peer);
    if (socket.remotePort !== undefined) span.setAttribute(Http.peerPort, socket.remotePort);
  }
  span.setAttribute(Http.protocolVersion, request.httpVersion);
  const agent = headers['user-agent'];
  if (agent !== undefined) span.setAttribute(Http.userAgent, agent);
}

/** @param spanName what the span is called without a route */
export function describeServerResponse(
  span: Span,
  spanName: string,
  route: string | undefined,
  statusCode: number | undefined,
  error: unknown,
): void {
  if (route !== undefined) {
    span.setAttribute(Http.route, route);
    span.updateName(`${spanName} ${route}`);
  }
  if (statusCode === undefined) return;
  span.setAttribute(Http.statusCode, statusCode);
  if (!isServerError(statusCode)) return;
  span.setAttribute(Http.errorType, String(statusCode));
  if (error instanceof Error) span.recordException(error);
}

function setServer(span: Span, headers: IncomingHttpHeaders, scheme: string): void {
  const asked = first(headers[':authority']) ?? headers.host;
  const authority = forwarded(headers, 'host') ?? first(headers['x-forwarded-host']) ?? asked;
  if (authority === undefined || authority === '') return;
  const { host, port } = splitAuthority(authority);
  span.setAttribute(Http.serverAddress, host);
  span.setAttribute(Http.serverPort, port ?? defaultPort(scheme));
}

/** The first of a list separated by commas: the end that is nearest to the client. */
function first(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : (value[0] ?? '');
  const comma = text.indexOf(',');
  const item = (comma < 0 ? text : text.slice(0, comma)).trim();
  return item === '' ? undefined : item;
}

/** A parameter of the first element of `Forwarded` (RFC 7239); addresses without brackets and port. */
function forwarded(headers: IncomingHttpHeaders, name: 'for' | 'host' | 'proto'): string | undefined {
  const element = first(headers.forwarded);
  if (element === undefined) return undefined;
  for (const pair of element.split(';')) {
    const equals = pair.indexOf('=');
    if (pair.slice(0, equals).trim().toLowerCase() !== name) continue;
    const value = pair
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
    return name === 'for' ? splitAuthority(value).host : value;
  }
  return undefined;
}
