// Spans as rows: what search needs in columns, and the bytes as they came.
import { type DecodedResource, type DecodedScope, type DecodedSpan, decodeTraces } from 'tricord/otlp';
import type { Entry, RowBatch } from '../../store/row-batch.ts';
import { attributesJson, attributeText, hexText, idText } from './attribute-text.ts';
import { identity } from './identity.ts';
import { millis, nanos } from './time.ts';

/** @throws WireError for bytes that are no request; rows that came before the fault are in the batch by then */
export function addSpanRows(payload: Uint8Array, batch: RowBatch): void {
  let resource: DecodedResource;
  let entry: Entry;
  decodeTraces(payload, {
    resource: next => {
      resource = next;
    },
    scope: scope => {
      entry = scopeEntry(resource, scope);
    },
    span: span => batch.add('spans', millis(span.startTimeUnixNano), spanCells(span, entry), entry),
  });
}

function scopeEntry(resource: DecodedResource, scope: DecodedScope): Entry {
  const id = identity([resource.bytes, resource.schemaUrl, scope.bytes, scope.schemaUrl]);
  const cells = [
    id,
    attributeText(resource.attributes, 'service.name'),
    attributesJson(resource.attributes),
    resource.bytes,
    resource.schemaUrl,
    scope.bytes,
    scope.schemaUrl,
  ];
  return { table: 'scopes', id, cells };
}

/** A span that ends before it starts has the duration 0; its bytes keep what it said. */
function spanCells(span: DecodedSpan, scope: Entry): Entry['cells'] {
  const start = nanos(span.startTimeUnixNano);
  const end = nanos(span.endTimeUnixNano);
  return [
    hexText(span.traceId),
    hexText(span.spanId),
    idText(span.parentSpanId),
    span.name,
    enumValue(span.kind),
    enumValue(span.statusCode),
    span.statusMessage,
    start,
    end > start ? end - start : 0n,
    scope.id,
    attributesJson(span.attributes),
    span.bytes,
  ];
}

/** Enums are open: what no 32-bit column holds is "unspecified". */
function enumValue(value: number): number {
  return value === (value | 0) ? value : 0;
}
