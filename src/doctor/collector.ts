// Judges the way to the collector, step by step; a step that fails ends it, as those behind it would only repeat its failure.
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { tlsOptions } from '../transport/endpoint.ts';
import { GrpcCode } from '../transport/grpc-status.ts';
import {
  askForStream,
  type Destination,
  deliverSpan,
  exportNothing,
  TEST_ATTRIBUTE,
  TEST_SPAN,
} from './exchange.ts';
import { type Finding, ok, problem } from './finding.ts';
import {
  type Address,
  addressOf,
  greet,
  type Handshake,
  openSocket,
  resolveHost,
  type Speech,
  shakeHands,
} from './greeting.ts';

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const PROTOCOL = 'OTEL_EXPORTER_OTLP_PROTOCOL';

/** Ends the examination. */
class Stop extends Error {
  readonly finding: Finding;

  constructor(subject: string, text: string, advice: string) {
    super(text);
    // What OpenSSL says has several lines.
    this.finding = problem('collector', subject, text.replace(/\s+/g, ' '), advice);
  }
}

/** @param isDefault the endpoint is the default one */
export async function judgeCollector(destination: Destination): Promise<Finding[]> {
  const findings: Finding[] = [];
  const found = (subject: string, text: string): void => void findings.push(ok('collector', subject, text));
  try {
    const url = new URL(destination.endpoint);
    const address = addressOf(url, destination.timeoutMs);
    await judgeName(address, found);
    const socket = await judgeConnection(address, found);
    if (url.protocol === 'https:') await judgeTls(socket, address, destination, found);
    else socket.destroy();
    await (destination.protocol === 'grpc' ? judgeGrpc : judgeHttp)(destination, address, found);
    await judgeDelivery(destination, found);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    findings.push(error.finding);
  }
  return findings;
}

type Found = (subject: string, text: string) => void;

const codeOf = (error: unknown): string =>
  String((error as { code?: unknown }).code ?? (error as Error).message);
const rounded = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

async function judgeName(address: Address, found: Found): Promise<void> {
  const addresses = await resolveHost(address).catch((error: unknown) => {
    const text = `the name ${address.host} cannot be resolved (${codeOf(error)})`;
    throw new Stop('name', text, `correct the host in ${ENDPOINT}, or the name service`);
  });
  if (addresses[0] !== address.host) found('name', `${address.host} is ${addresses.join(', ')}`);
}

async function judgeConnection(address: Address, found: Found): Promise<Socket> {
  const { host, port } = address;
  const began = performance.now();
  const socket = await openSocket(address).catch((error: unknown) => {
    const code = codeOf(error);
    const advice =
      code === 'ECONNREFUSED'
        ? `start the collector, or set ${ENDPOINT} to where it listens`
        : `see whether a firewall lies between, and whether ${ENDPOINT} is right`;
    throw new Stop('connection', `nothing answers at ${host}:${port} (${code})`, advice);
  });
  found('connection', `${host}:${port} takes connections, in ${rounded(performance.now() - began)}`);
  return socket;
}

async function judgeTls(
  socket: Socket,
  address: Address,
  destination: Destination,
  found: Found,
): Promise<void> {
  const handshake = await shakeHands(socket, address, tlsOptions(destination)).catch(
    async (error: unknown) => {
      const speech = await speechAt(address);
      if (speech === 'HTTP/1' || speech === 'HTTP/2')
        throw new Stop(
          'tls',
          'the port speaks plain text, not TLS',
          `begin ${ENDPOINT} with http:// instead of https://`,
        );
      const text = `the TLS handshake failed: ${(error as Error).message}`;
      throw new Stop('tls', text, 'see whether the port speaks TLS, and asks for a client certificate');
    },
  );
  handshake.socket.destroy();
  if (handshake.distrust !== undefined) throw distrusted(handshake, address);
  const until = handshake.certificate.valid_to;
  found('tls', `the certificate is for ${namesOf(handshake)}, trusted, and valid until ${until}`);
}

const namesOf = ({ certificate }: Handshake): string =>
  certificate.raw === undefined
    ? 'nobody'
    : (new X509Certificate(certificate.raw).subjectAltName ?? String(certificate.subject?.CN ?? 'nobody'));

function distrusted(handshake: Handshake, { host }: Address): Stop {
  const { distrust = '', certificate } = handshake;
  if (distrust.includes('ALTNAME') || distrust.includes('does not match')) {
    const text = `the certificate is for ${namesOf(handshake)}, and not for ${host}`;
    return new Stop('tls', text, `use one of its names in ${ENDPOINT}, or have one made for ${host}`);
  }
  if (distrust.includes('EXPIRED'))
    return new Stop(
      'tls',
      `the certificate expired on ${certificate.valid_to}`,
      'renew the collector’s certificate',
    );
  const text = `the certificate of ${namesOf(handshake)} is not trusted (${distrust})`;
  return new Stop('tls', text, 'set OTEL_EXPORTER_OTLP_CERTIFICATE to the authority that it is from');
}

/** What a new connection answers to plain text; a TLS server may answer nothing to that, but shakes hands. */
async function speechAt(address: Address): Promise<Speech> {
  try {
    const speech = await greet(await openSocket(address), address);
    if (speech !== 'nothing known') return speech;
    const { socket } = await shakeHands(await openSocket(address), address, {});
    socket.destroy();
    return 'TLS';
  } catch {
    return 'nothing known';
  }
}

async function judgeGrpc(destination: Destination, address: Address, found: Found): Promise<void> {
  const answer = await askForStream(destination);
  if ('ms' in answer)
    return found('protocol', `it speaks the stream; a round trip takes ${rounded(answer.ms)}`);
  const { code, message } = answer.status;
  if (code === GrpcCode.unimplemented) {
    const outcome = await exportNothing(destination);
    if (outcome.kind === 'delivered') {
      const text = 'it speaks plain OTLP/gRPC, not the stream: no credit, and what is resent may come twice';
      return found('protocol', `${text}; a round trip takes ${rounded(outcome.ms)}`);
    }
    throw new Stop(
      'protocol',
      `it refuses OTLP/gRPC: ${outcome.reason}`,
      'look into the collector’s receivers',
    );
  }
  throw await refused(code, message, destination, address);
}

const CREDENTIALS = 'give the credentials that it wants in OTEL_EXPORTER_OTLP_HEADERS';
const DENIED: readonly number[] = [GrpcCode.unauthenticated, GrpcCode.permissionDenied];

async function refused(
  code: number,
  message: string,
  destination: Destination,
  address: Address,
): Promise<Stop> {
  if (DENIED.includes(code)) return new Stop('protocol', `it denies access: ${message}`, CREDENTIALS);
  const isSecure = destination.endpoint.startsWith('https:');
  const speech = isSecure ? 'nothing known' : await speechAt(address);
  if (speech === 'TLS') return needsTls();
  const asHttp = await exportNothing({ ...destination, protocol: 'http/protobuf' });
  if (asHttp.kind === 'delivered') {
    const text = 'the port speaks OTLP/HTTP, not OTLP/gRPC';
    return new Stop('protocol', text, `set ${PROTOCOL}=http/protobuf, or the gRPC port, mostly 4317`);
  }
  if (speech === 'HTTP/1')
    return new Stop(
      'protocol',
      'the port speaks HTTP/1, and no OTLP',
      `set ${ENDPOINT} to the collector’s gRPC port`,
    );
  const advice = 'see whether a collector listens there, and its log';
  return new Stop(
    'protocol',
    `it does not speak OTLP/gRPC: ${message}`,
    adviceFor(message, destination, advice),
  );
}

/** A server that asks for a certificate says so after the handshake, or just closes the connection. */
function adviceFor(message: string, { endpoint, clientCertificate }: Destination, otherwise: string): string {
  const asks = /certificate[_ ]required/i.test(message);
  const closes = /ECONNRESET|hang up|closed|cut off/.test(message);
  const secure = endpoint.startsWith('https:') && clientCertificate === undefined;
  if (!asks && !(closes && secure)) return otherwise;
  return 'set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY if it asks for a certificate';
}

const needsTls = (): Stop =>
  new Stop('protocol', 'the port speaks TLS', `begin ${ENDPOINT} with https:// instead of http://`);

async function judgeHttp(destination: Destination, address: Address, found: Found): Promise<void> {
  const outcome = await exportNothing(destination);
  if (outcome.kind === 'delivered')
    return found('protocol', `it speaks OTLP/HTTP; a round trip takes ${rounded(outcome.ms)}`);
  const { reason } = outcome;
  if (/status 40[13]\b/.test(reason)) throw new Stop('protocol', `it denies access: ${reason}`, CREDENTIALS);
  const isSecure = destination.endpoint.startsWith('https:');
  if (!isSecure && (await speechAt(address)) === 'TLS') throw needsTls();
  const asGrpc = await exportNothing({ ...destination, protocol: 'grpc' });
  if (asGrpc.kind === 'delivered') {
    const text = 'the port speaks OTLP/gRPC, not OTLP/HTTP';
    throw new Stop('protocol', text, `set ${PROTOCOL}=grpc, or the HTTP port, mostly 4318`);
  }
  const advice = `see whether ${ENDPOINT} is the collector’s OTLP/HTTP port, without /v1/traces`;
  throw new Stop('protocol', `it does not take OTLP/HTTP: ${reason}`, adviceFor(reason, destination, advice));
}

async function judgeDelivery(destination: Destination, found: Found): Promise<void> {
  const { delivered, rejected, ms, traceId, failure } = await deliverSpan(destination);
  const name = `a span named ${JSON.stringify(TEST_SPAN)} (${TEST_ATTRIBUTE}=true, trace ${traceId})`;
  if (delivered) return found('delivery', `${name} was delivered and acknowledged in ${rounded(ms)}`);
  const what = rejected ? 'was rejected' : `was not acknowledged within ${rounded(destination.timeoutMs)}`;
  const advice = 'look into the collector’s log: its queue may be full, or its disk';
  throw new Stop('delivery', `${name} ${what}${failure === undefined ? '' : `: ${failure}`}`, advice);
}
