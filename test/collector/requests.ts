// Small OTLP requests for the collector's tests, made with the codec's own writer.
import { Writer } from 'tricord/otlp';

/** An ExportTraceServiceRequest with spans of these names, from one service. */
export function traceRequest(names: readonly string[], service = 'shop'): Buffer<ArrayBuffer> {
  const writer = new Writer(
    new Uint8Array(1024 + names.reduce((sum, name) => sum + 3 * name.length + 128, 0)),
  );
  const resourceSpans = writer.message(1);
  const resource = writer.message(1);
  writer.keyValue(1, 'service.name', service);
  writer.close(resource);
  const scopeSpans = writer.message(2);
  for (const [index, name] of names.entries()) {
    const span = writer.message(2);
    writer.traceId(1, 1, 2, 3, 4);
    writer.spanId(2, 5, index + 1);
    writer.string(5, name);
    writer.uint(6, 2);
    writer.fixed64(7, 0x17000000, index);
    writer.fixed64(8, 0x17000001, index);
    writer.keyValue(9, 'http.route', '/items');
    writer.close(span);
  }
  writer.close(scopeSpans);
  writer.close(resourceSpans);
  if (writer.overflowed) throw new Error('the request does not fit');
  return Buffer.from(writer.bytes.subarray(0, writer.pos));
}

/** An ExportLogsServiceRequest with records of these bodies. */
export function logsRequest(bodies: readonly string[]): Buffer<ArrayBuffer> {
  const writer = new Writer(
    new Uint8Array(1024 + bodies.reduce((sum, body) => sum + 3 * body.length + 64, 0)),
  );
  const resourceLogs = writer.message(1);
  const scopeLogs = writer.message(2);
  for (const body of bodies) {
    const record = writer.message(2);
    writer.fixed64(1, 0x17000000, 0);
    writer.anyValue(5, body);
    writer.close(record);
  }
  writer.close(scopeLogs);
  writer.close(resourceLogs);
  return Buffer.from(writer.bytes.subarray(0, writer.pos));
}
