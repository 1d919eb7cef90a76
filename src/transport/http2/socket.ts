// The socket of an HTTP/2 connection, in plain text or with TLS, as the URL says.
import { connect, isIP, type Socket } from 'node:net';
import type { TlsOptions } from '../endpoint.ts';

/** What a peer has to say is short. */
const READ_BYTES = 16 * 1024;

/**
 * Connects; what is written before waits.
 * @param read gets what comes, in views that are valid only within the call
 * @param connected called when the peer can be spoken to; with false when it does not speak HTTP/2
 * @throws what node:tls does for options that it cannot use
 */
export function openSocket(
  url: URL,
  tls: TlsOptions,
  read: (chunk: Buffer) => void,
  connected: (speaksHttp2: boolean) => void,
): Socket {
  // Without the brackets of an IPv6 address.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol === 'https:') return openSecure(host, Number(url.port || 443), tls, read, connected);
  // One buffer for all that comes: else each acknowledgement would be read into 64 KiB of its own.
  const onread = {
    buffer: Buffer.allocUnsafeSlow(READ_BYTES),
    callback(length: number, buffer: Uint8Array): boolean {
      read((buffer as Buffer).subarray(0, length));
      return true;
    },
  };
  const socket = connect({ host, port: Number(url.port || 80), noDelay: true, onread });
  return socket.on('connect', () => connected(true));
}

function openSecure(
  host: string,
  port: number,
  options: TlsOptions,
  read: (chunk: Buffer) => void,
  connected: (speaksHttp2: boolean) => void,
): Socket {
  // Loaded here, as most processes speak to a collector beside them, in plain text.
  const { connect } = process.getBuiltinModule('node:tls');
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ ...options, ...name, host, port, ALPNProtocols: ['h2'] });
  socket.setNoDelay();
  socket.on('data', read);
  return socket.on('secureConnect', () => connected(socket.alpnProtocol === 'h2'));
}
