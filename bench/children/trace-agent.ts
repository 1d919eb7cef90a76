// A stand-in for the trace agent that dd-trace sends to: takes every payload, and counts the traces in it.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { heard, say } from '../parent.ts';

export interface TraceCount {
  readonly traces: number;
  readonly bytes: number;
}

let traces = 0;
let bytes = 0;

const server = createServer((request, response) => {
  traces += Number(request.headers['x-datadog-trace-count'] ?? 0);
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    const body =
      request.url === '/info' ? { endpoints: ['/v0.4/traces', '/v0.5/traces'] } : { rate_by_service: {} };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  });
});
await once(server.listen(0, '127.0.0.1'), 'listening');
say('listening', (server.address() as AddressInfo).port);
for (;;) {
  await heard('count');
  say('counted', { traces, bytes } satisfies TraceCount);
}
