// The requests that `stream` sends: spans as a service makes them, up to a size.
import { encodeSpan, type SpanRecord } from '../../src/transport/otlp/trace.ts';
import { Writer } from '../../src/transport/otlp/writer.ts';

export interface ExportRequest {
  /** An `ExportTraceServiceRequest`. */
  readonly bytes: Uint8Array;
  /** Spans in it. */
  readonly items: number;
}

const SPAN_BYTES_MAX = 1024;
const ENVELOPE_BYTES = 512;
const MILLISECOND = 1e6;

const attributes = {
  'http.request.method': 'GET',
  'http.response.status_code': 200,
  'http.route': '/products/:sku',
  'url.path': '/products/brass-compass',
  'url.scheme': 'http',
  'server.address': '127.0.0.1',
  'server.port': 8080,
  'network.protocol.version': '1.1',
  'user_agent.original': 'bench',
};

function span(number: number): SpanRecord {
  return {
    identity: { t0: 1, t1: 2, t2: 3, t3: number + 1, s0: 4, s1: number + 1 },
    ...{ traceState: '', parent0: 0, parent1: 0, flags: 0x101 },
    name: 'GET /products/:sku',
    kind: 2,
    startTime: number * MILLISECOND,
    endTime: (number + 1) * MILLISECOND,
    attributes: { keys: Object.keys(attributes), values: Object.values(attributes), count: 9, dropped: 0 },
    ...{ events: [], eventCount: 0, droppedEvents: 0, links: [], linkCount: 0, droppedLinks: 0 },
    ...{ statusCode: 0, statusMessage: '' },
  };
}

/** A request of `bytes` bytes at most, and less than one span below. */
export function exportRequest(bytes: number): ExportRequest {
  const writer = new Writer(new Uint8Array(bytes + SPAN_BYTES_MAX), BigInt(Date.now()) * BigInt(MILLISECOND));
  const resourceSpans = writer.message(1);
  const resource = writer.message(1);
  writer.keyValue(1, 'service.name', 'bench');
  writer.close(resource);
  const scopeSpans = writer.message(2);
  let items = 0;
  while (writer.pos < bytes - ENVELOPE_BYTES) encodeSpan(writer, span(items++));
  writer.close(scopeSpans);
  writer.close(resourceSpans);
  return { bytes: writer.bytes.slice(0, writer.pos), items };
}
