// The resource as the message that goes with every batch.
import type { AttributeList } from './transport/otlp/record.ts';
import { Writer } from './transport/otlp/writer.ts';

const RESOURCE_BYTES_START = 4096;

/** The message `opentelemetry.proto.resource.v1.Resource`; the transport bounds its size. */
export function encodeResource(resource: AttributeList): Uint8Array {
  for (let size = RESOURCE_BYTES_START; ; size *= 2) {
    const writer = new Writer(new Uint8Array(size));
    writer.attributes(1, resource);
    if (!writer.overflowed) return writer.bytes.subarray(0, writer.pos);
  }
}
