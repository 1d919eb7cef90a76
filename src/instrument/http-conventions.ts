// The part of OpenTelemetry's semantic conventions for HTTP (stable) that servers and clients share.
import type { Attributes, Histogram, Meter, Span } from '@opentelemetry/api';
import { SpanStatusCode } from '@opentelemetry/api';
import { errorType } from './error-type.ts';

/** The scope of spans and metrics about HTTP. */
export const HTTP_SCOPE = 'tricord/http';

/** Names of attributes, from the registry of semantic conventions. */
export const Http = {
  method: 'http.request.method',
  methodOriginal: 'http.request.method_original',
  statusCode: 'http.response.status_code',
  route: 'http.route',
  scheme: 'url.scheme',
  path: 'url.path',
  query: 'url.query',
  full: 'url.full',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  clientAddress: 'client.address',
  peerAddress: 'network.peer.address',
  peerPort: 'network.peer.port',
  protocolVersion: 'network.protocol.version',
  userAgent: 'user_agent.original',
  errorType: 'error.type',
} as const;

/** Bounds of the duration histograms in seconds (semantic conventions, "HTTP metrics"). */
export const durationBuckets: number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

const OTHER_METHOD = '_OTHER';
const knownMethods: ReadonlySet<string> = new Set([
  ...['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE', 'QUERY'],
]);

/** The method as attributes and metrics may have it: one of the known ones, or `_OTHER`. */
export function knownMethod(method: string | undefined): string {
  return method !== undefined && knownMethods.has(method) ? method : OTHER_METHOD;
}

/** The first part of a span's name: the method, or `HTTP` for one that is not known. */
export function methodInName(method: string): string {
  return method === OTHER_METHOD ? 'HTTP' : method;
}

export function setMethod(span: Span, known: string, original: string | undefined): void {
  span.setAttribute(Http.method, known);
  setOriginalMethod(span, known, original);
}

/** What a method was that is none of the known ones. */
export function setOriginalMethod(span: Span, known: string, original: string | undefined): void {
  if (known === OTHER_METHOD) span.setAttribute(Http.methodOriginal, original ?? '');
}

/** Query parameters that carry secrets: those of the conventions, and what such parameters are mostly called. */
const secretParameter =
  /([?&;]|^)(awsaccesskeyid|signature|sig|x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|(?:access|id|refresh|auth|api|session)?[_-]?(?:token|key)|(?:client[_-]?)?secret|password|passwd|pwd|authorization|auth|jwt)=[^&;#]*/gi;

/** The query with the values of sensitive parameters replaced by `REDACTED`. */
export function redactQuery(query: string): string {
  return query.includes('=') ? query.replace(secretParameter, '$1$2=REDACTED') : query;
}

/** The URL with its credentials and the values of sensitive parameters replaced. */
export function redactUrl(url: string): string {
  const query = url.indexOf('?');
  const place = query < 0 ? url : url.slice(0, query);
  const safe = place.includes('@') ? place.replace(/^([a-z]+:\/\/)[^/]*@/i, '$1REDACTED:REDACTED@') : place;
  return query < 0 ? safe : safe + redactQuery(url.slice(query));
}

/** Host and port of an authority such as `example.com:8080` or `[::1]:80`; the port is undefined when there is none. */
export function splitAuthority(authority: string): { host: string; port: number | undefined } {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon >= 0 && authority.indexOf(']', colon) < 0;
  const host = hasPort ? authority.slice(0, colon) : authority;
  const port = hasPort ? Number(authority.slice(colon + 1)) : Number.NaN;
  return {
    host: host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host,
    port: Number.isInteger(port) && port > 0 && port <= 0xffff ? port : undefined,
  };
}

export function defaultPort(scheme: string): number {
  return scheme === 'https' ? 443 : 80;
}

export function createClientDuration(meter: Meter): Histogram {
  return meter.createHistogram('http.client.request.duration', {
    unit: 's',
    description: 'Duration of HTTP client requests.',
    advice: { explicitBucketBoundaries: durationBuckets },
  });
}

/** How an exchange ended, for the client's side. */
export interface ClientOutcome {
  readonly method: string;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** 0 when no response came. */
  readonly statusCode: number;
  readonly protocolVersion: string | undefined;
  readonly error: unknown;
}

/** Writes the outcome onto the span and returns the attributes of the duration. On a client, 4xx is an error too. */
export function describeClientOutcome(span: Span, outcome: ClientOutcome): Attributes {
  const { statusCode, error, protocolVersion } = outcome;
  const type = error !== undefined ? errorType(error) : statusCode >= 400 ? String(statusCode) : undefined;
  // First of all: one that was not sampled may be recorded for it.
  if (type !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
  if (span.isRecording()) {
    if (statusCode > 0) span.setAttribute(Http.statusCode, statusCode);
    if (protocolVersion !== undefined) span.setAttribute(Http.protocolVersion, protocolVersion);
    if (type !== undefined) {
      span.setAttribute(Http.errorType, type);
      if (error instanceof Error) span.recordException(error);
    }
  }
  return {
    [Http.method]: outcome.method,
    [Http.serverAddress]: outcome.serverAddress,
    [Http.serverPort]: outcome.serverPort,
    [Http.statusCode]: statusCode > 0 ? statusCode : undefined,
    [Http.protocolVersion]: protocolVersion,
    [Http.errorType]: type,
  };
}
