// The application under the agent: answers every request, and writes a line of log about it.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { start, type TransportStats } from 'tricord';
import { answer } from './peer.ts';

/** What the application knows of itself. */
export interface ServiceReport {
  readonly stats: TransportStats;
  /** Requests, and lines of log about them. */
  readonly requests: number;
  readonly lines: number;
  readonly rssBytes: number;
  /** The most there ever was. */
  readonly peakRssBytes: number;
}

// The agent that `--require` has started.
const agent = start()!;
const log = pino();
const counts = { requests: 0, lines: 0 };

const server = createServer((request, response) => {
  counts.requests++;
  log.info({ path: request.url, agent: request.headers['user-agent'] }, 'answering');
  counts.lines++;
  response.setHeader('content-length', 2);
  response.end('ok');
});
// Or it closes a connection that was not needed for a while at the moment in which it is.
server.keepAliveTimeout = 0;

function report(): ServiceReport {
  return {
    stats: agent.stats(),
    ...counts,
    rssBytes: process.memoryUsage.rss(),
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

answer({
  listen: async (): Promise<number> => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return (server.address() as AddressInfo).port;
  },
  report,
  flush: async (): Promise<ServiceReport> => {
    await agent.flush();
    return report();
  },
  /** Ends by itself after that, as applications do. */
  leave: (): void => {
    server.close();
    setImmediate(() => process.disconnect!());
  },
});
