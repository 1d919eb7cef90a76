// Listens to the streams of node:http2, on channels that Node 24 and later publish on; what observes them is loaded with the first.
import { createRequire } from 'node:module';
import { listen } from './channel.ts';
import type { StreamMessage as ClientMessage } from './http2-client.ts';
import type { StreamMessage as ServerMessage } from './http2-server.ts';
import { lazily } from './lazily.ts';

// Built, what it requires is in a file beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

/** Observes every HTTP/2 server in this thread, by its streams and by its requests, from the next one on. */
export function instrumentHttp2Server(): void {
  const server = lazily(() => {
    const { Http2Server } = require('./http2-server.ts') as typeof import('./http2-server.ts');
    return new Http2Server();
  });
  listen<ServerMessage>('http2.server.stream.created', message => server().start(message));
  listen<ServerMessage>('http2.server.stream.close', message => server().end(message));
}

/**
 * Observes every HTTP/2 request in this thread, from the next one on.
 *
 * The channels tell of a request when its headers are packed already, so the context is put among them in the method of
 * sessions that makes requests. That is reached by the first session that makes one: the very first request of the process has
 * a span, but does not carry it. The alternative costs every application 5 to 20 ms: to load node:http2 when it starts.
 */
export function instrumentHttp2Client(): void {
  const client = lazily(() => {
    const { Http2Client } = require('./http2-client.ts') as typeof import('./http2-client.ts');
    return new Http2Client();
  });
  listen<ClientMessage>('http2.client.stream.created', message => client().start(message));
  listen<ClientMessage>('http2.client.stream.finish', message => client().respond(message));
}
