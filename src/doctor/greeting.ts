// Finds out what listens at an address: names, sockets, TLS, and which version of HTTP answers there.
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import type { TlsOptions } from '../transport/endpoint.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** The address of an endpoint, with the port that its scheme has by default. */
export function addressOf(url: URL, timeoutMs: number): Address {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, timeoutMs };
}

/** @throws the error of the look-up */
export async function resolveHost({ host }: Address): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** @throws what keeps the socket from being connected, with its `code` */
export function openSocket({ host, port, timeoutMs }: Address): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => {
    socket.destroy();
    reject(Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
  }, timeoutMs);
  socket.once('connect', () => {
    clearTimeout(timer);
    resolve(socket);
  });
  socket.once('error', error => {
    clearTimeout(timer);
    reject(firstOf(error));
  });
  return promise;
}

/** Where a name has several addresses, Node.js tries them all and throws all that went wrong. */
const firstOf = (error: Error): Error => (error instanceof AggregateError ? error.errors[0] : error);

export interface Handshake {
  readonly socket: TLSSocket;
  /** Why the certificate is not trusted; undefined when it is. */
  readonly distrust: string | undefined;
  readonly certificate: PeerCertificate;
}

/** Shakes hands, and trusts whoever answers: what speaks against the certificate is told. @throws when there is no handshake */
export function shakeHands(
  socket: Socket,
  { host, timeoutMs }: Address,
  tls: TlsOptions,
): Promise<Handshake> {
  const { promise, resolve, reject } = Promise.withResolvers<Handshake>();
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const secure = connectTls({
    ...tls,
    ...servername,
    ...{ socket, host, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] },
  });
  secure.setTimeout(timeoutMs, () => secure.destroy(new Error(`no handshake within ${timeoutMs} ms`)));
  secure.once('error', reject);
  secure.once('close', () => reject(new Error('the connection was closed')));
  secure.once('secureConnect', () => {
    secure.setTimeout(0);
    const distrust = secure.authorized ? undefined : String(secure.authorizationError);
    resolve({ socket: secure, distrust, certificate: secure.getPeerCertificate() });
  });
  return promise;
}

export type Speech = 'HTTP/2' | 'HTTP/1' | 'TLS' | 'nothing known';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const EMPTY_SETTINGS: Uint8Array = Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
const SETTINGS_TYPE = 4;
const TLS_ALERT = 0x15;

/** Begins to speak HTTP/2 and takes the answer for what it is: servers of all kinds have one. Ends the socket. */
export function greet(socket: Socket, { timeoutMs }: Address): Promise<Speech> {
  const { promise, resolve } = Promise.withResolvers<Speech>();
  const done = (speech: Speech): void => {
    clearTimeout(timer);
    resolve(speech);
    socket.destroy();
  };
  const timer = setTimeout(done, timeoutMs, 'nothing known');
  let answer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]);
    const speech = recognise(answer);
    if (speech !== undefined) done(speech);
  });
  socket.on('error', () => done('nothing known'));
  socket.on('close', () => done('nothing known'));
  socket.write(PREFACE);
  socket.write(EMPTY_SETTINGS);
  return promise;
}

/** Undefined while the answer is too short to tell. */
function recognise(answer: Buffer): Speech | undefined {
  if (answer[0] === TLS_ALERT && answer[1] === 3) return 'TLS';
  if (answer.length < 5) return undefined;
  if (answer.subarray(0, 5).toString('latin1') === 'HTTP/') return 'HTTP/1';
  return answer[3] === SETTINGS_TYPE ? 'HTTP/2' : 'nothing known';
}
