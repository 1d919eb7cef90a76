// Puts a trace together again: spans as they came, under their resources and scopes.
import { Writer } from 'tricord/otlp';

/** What spans have in common: the bytes of their Resource and InstrumentationScope messages, and the schema URLs. */
interface Envelope {
  readonly resource: Uint8Array;
  readonly resourceSchema: string;
  readonly scope: Uint8Array;
  readonly scopeSchema: string;
}

export interface SpansOfScope {
  readonly envelope: Envelope;
  /** The bytes of `opentelemetry.proto.trace.v1.Span`. */
  readonly spans: readonly Uint8Array[];
}

/** Tag and length of one field, at most. */
const FIELD_BYTES = 16;

/** The bytes of `opentelemetry.proto.trace.v1.TracesData`; Tempo's `Trace` is the same on the wire. */
export function tracesData(scopes: readonly SpansOfScope[]): Uint8Array {
  const writer = new Writer(new Uint8Array(scopes.reduce((sum, scope) => sum + sizeMax(scope), 0)));
  const resources = Map.groupBy(scopes, ({ envelope }) =>
    JSON.stringify([Buffer.from(envelope.resource).toString('latin1'), envelope.resourceSchema]),
  );
  for (const group of resources.values()) {
    const { envelope } = group[0]!;
    const resourceSpans = writer.message(1);
    writer.blob(1, envelope.resource);
    for (const scope of group) writeScopeSpans(writer, scope);
    if (envelope.resourceSchema !== '') writer.string(3, envelope.resourceSchema);
    writer.close(resourceSpans);
  }
  return writer.bytes.subarray(0, writer.pos);
}

function writeScopeSpans(writer: Writer, { envelope, spans }: SpansOfScope): void {
  const scopeSpans = writer.message(2);
  writer.blob(1, envelope.scope);
  for (const span of spans) writer.blob(2, span);
  if (envelope.scopeSchema !== '') writer.string(3, envelope.scopeSchema);
  writer.close(scopeSpans);
}

function sizeMax({ envelope, spans }: SpansOfScope): number {
  const schemas = (envelope.resourceSchema.length + envelope.scopeSchema.length) * 3;
  const own = envelope.resource.length + envelope.scope.length + schemas + 6 * FIELD_BYTES;
  return spans.reduce((sum, span) => sum + span.length + FIELD_BYTES, own);
}
