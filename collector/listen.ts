// How listeners begin and end: why one could not listen, in words for people, and how one stops in order.
import type { Server } from 'node:http';
import { type Endpoint, endpointText } from './config/values.ts';

/** The collector cannot start; the message is all that a person needs. */
export class StartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartError';
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process; stop that one or choose another port',
  EACCES: 'may not be used by this user; choose a port from 1024 on',
  EADDRNOTAVAIL: 'is no address of this machine',
  ENOTFOUND: 'names an unknown host',
};

/** @param key the configuration key that holds the endpoint, as in `service.web.endpoint` */
export function listenError(endpoint: Endpoint, key: string, cause: unknown): StartError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason = reasons[code ?? ''] ?? `cannot be listened on: ${message}`;
  return new StartError(`${endpointText(endpoint)} (${key}) ${reason}`, { cause });
}

/** Takes no new connections, lets requests under way finish, and cuts off those that need longer than `withinMs`. */
export async function stopListening(server: Server, withinMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const late = setTimeout(() => server.closeAllConnections(), withinMs);
  server.close(() => resolve());
  server.closeIdleConnections();
  await promise;
  clearTimeout(late);
}
