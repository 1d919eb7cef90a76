// Decodes what a MemorySink took, after the structural check that a collector would make.
import assert from 'node:assert/strict';
import type { AnyValue, DecodedLogRecord, DecodedSpan, KeyValue } from 'tricord/otlp';
import { checkRequest, decodeLogs, decodeTraces, Signal } from 'tricord/otlp';
import type { MemorySink } from './memory-sink.ts';

export function spansIn(sink: MemorySink): DecodedSpan[] {
  const bytes = sink.request(Signal.traces);
  const spans: DecodedSpan[] = [];
  decodeTraces(bytes, { span: span => void spans.push(span) });
  assert.equal(checkRequest(Signal.traces, bytes), spans.length);
  return spans;
}

export function logRecordsIn(sink: Pick<MemorySink, 'request'>): DecodedLogRecord[] {
  const bytes = sink.request(Signal.logs);
  const records: DecodedLogRecord[] = [];
  decodeLogs(bytes, { logRecord: record => void records.push(record) });
  assert.equal(checkRequest(Signal.logs, bytes), records.length);
  return records;
}

/** The attributes as an object; fails when a key comes twice. */
export function attributesOf(of: { readonly attributes: readonly KeyValue[] }): Record<string, AnyValue> {
  const result: Record<string, AnyValue> = Object.create(null);
  for (const { key, value } of of.attributes) {
    assert.ok(!(key in result), `attribute ${key} comes twice`);
    result[key] = value;
  }
  return result;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
