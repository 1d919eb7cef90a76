// Receives OTLP over HTTP, and keeps what came of metrics and logs, decoded.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import {
  type DecodedLogRecord,
  type DecodedMetric,
  decodeLogs,
  decodeMetrics,
  type KeyValue,
} from 'tricord/otlp';

export interface HttpCollector {
  readonly endpoint: string;
  readonly metrics: DecodedMetric[];
  readonly logRecords: DecodedLogRecord[];
  readonly resources: (readonly KeyValue[])[];
  close(): void;
}

export async function httpCollector(): Promise<HttpCollector> {
  const metrics: DecodedMetric[] = [];
  const logRecords: DecodedLogRecord[] = [];
  const resources: (readonly KeyValue[])[] = [];
  const resource = ({ attributes }: { attributes: readonly KeyValue[] }): void =>
    void resources.push(attributes);
  const server = createServer((request, response) => {
    void buffer(request).then(body => {
      const bytes = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      if (request.url === '/v1/metrics')
        decodeMetrics(bytes, { resource, metric: each => void metrics.push(each) });
      if (request.url === '/v1/logs')
        decodeLogs(bytes, { resource, logRecord: each => void logRecords.push(each) });
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { endpoint: `http://127.0.0.1:${port}`, metrics, logRecords, resources, close };
}
