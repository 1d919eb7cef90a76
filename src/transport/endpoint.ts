// Where the collector is and how to reach it: the endpoint, its TLS files' contents, the headers of every call.
import { OptionError } from '../errors.ts';

export interface EndpointOptions {
  /** `http://host:port` or `https://host:port`; for OTLP/HTTP with a base path. */
  readonly endpoint: string;
  /** Headers of every call. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM texts: the authorities to trust instead of the system's, and the client's certificate with its key. */
  readonly certificate?: string | undefined;
  readonly clientCertificate?: string | undefined;
  readonly clientKey?: string | undefined;
  /** Milliseconds that one unary call, or the wait for a connection, may take. */
  readonly timeoutMs: number;
}

/** What node:https and node:tls take. */
export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** @throws OptionError when the endpoint is not an http or https URL, or a header cannot be one */
export function parseEndpoint(options: EndpointOptions): URL {
  const { endpoint } = options;
  const url = /^https?:\/\//i.test(endpoint) && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '') {
    throw new OptionError(
      `OTEL_EXPORTER_OTLP_ENDPOINT: ${JSON.stringify(redacted(endpoint))} is not a URL like http://127.0.0.1:4317 or https://collector:4317.`,
    );
  }
  for (const [name, value] of Object.entries(options.headers)) {
    const reserved = /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|host|te)$/i.test(
      name,
    );
    if (reserved || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name) || /[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new OptionError(
        `OTEL_EXPORTER_OTLP_HEADERS: the header ${JSON.stringify(name)} for the collector is not a valid HTTP header.`,
      );
    }
  }
  return url;
}

/** Credentials in a URL are never repeated. */
const redacted = (endpoint: string): string => endpoint.slice(0, 200).replace(/\/\/[^/@]*@/, '//***@');

/** @throws OptionError when a certificate or the key cannot be used, or does not belong to the other */
export function checkTls(options: EndpointOptions): void {
  const tls = tlsOptions(options);
  if (Object.keys(tls).length === 0) return;
  // Loaded here, as most processes speak to a collector beside them, in plain text.
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule('node:crypto');
  const { certificate } = options;
  // A secure context takes anything for an authority, and then trusts none.
  if (certificate !== undefined) usable('CERTIFICATE', () => new X509Certificate(certificate));
  const { cert, key } = tls;
  if (cert !== undefined) usable('CLIENT_CERTIFICATE', () => new X509Certificate(cert));
  if (key !== undefined) usable('CLIENT_KEY', () => createPrivateKey(key));
  usable('CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY', () => createSecureContext(tls));
}

/** @throws OptionError naming the variable, when the contents of its file cannot be used */
function usable(variable: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw new OptionError(
      `OTEL_EXPORTER_OTLP_${variable}: the contents cannot be used: ${(error as Error).message}.`,
    );
  }
}

export function tlsOptions(options: EndpointOptions): TlsOptions {
  return {
    ...(options.certificate !== undefined && { ca: options.certificate }),
    ...(options.clientCertificate !== undefined && { cert: options.clientCertificate }),
    ...(options.clientKey !== undefined && { key: options.clientKey }),
  };
}
