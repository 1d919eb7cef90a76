// Log records as rows: Loki's streams and structured metadata from OTLP's resources and attributes.
import {
  type DecodedLogRecord,
  type DecodedResource,
  type DecodedScope,
  decodeLogs,
  type KeyValue,
  labelName,
} from 'tricord/otlp';
import type { Entry, RowBatch } from '../../store/row-batch.ts';
import { addLabels, attributeText, idText, valueText } from './attribute-text.ts';
import { identity } from './identity.ts';
import { millis, nanos } from './time.ts';

/** Resource attributes that become index labels: Loki's defaults for OTLP, and the present name of the environment. */
const indexed: ReadonlySet<string> = new Set([
  'cloud.availability_zone',
  'cloud.region',
  'container.name',
  'deployment.environment',
  'deployment.environment.name',
  'k8s.cluster.name',
  'k8s.container.name',
  'k8s.cronjob.name',
  'k8s.daemonset.name',
  'k8s.deployment.name',
  'k8s.job.name',
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.replicaset.name',
  'k8s.statefulset.name',
  'service.instance.id',
  'service.name',
  'service.namespace',
]);

/** @throws WireError for bytes that are no request; rows that came before the fault are in the batch by then */
export function addLogRows(payload: Uint8Array, batch: RowBatch): void {
  let resource: DecodedResource;
  let entry: Entry;
  decodeLogs(payload, {
    resource: next => {
      resource = next;
    },
    scope: scope => {
      entry = streamEntry(resource, scope);
    },
    logRecord: record => {
      const time = timeOf(record, batch);
      batch.add('logs', millis(time), logCells(record, nanos(time), entry), entry);
    },
  });
}

/** The record's time, else when it was observed, else when it arrived (as the data model recommends). */
function timeOf(record: DecodedLogRecord, batch: RowBatch): bigint {
  if (record.timeUnixNano !== 0n) return record.timeUnixNano;
  if (record.observedTimeUnixNano !== 0n) return record.observedTimeUnixNano;
  return BigInt(Math.floor(batch.arrived)) * 1_000_000n;
}

/** The index labels, and as metadata what all records of the resource and scope have in common besides. */
function streamEntry(resource: DecodedResource, scope: DecodedScope): Entry {
  const labels = new Map<string, string>();
  addLabels(
    labels,
    resource.attributes.filter(({ key }) => indexed.has(key)),
  );
  if (!labels.has('service_name')) labels.set('service_name', 'unknown_service');
  const metadata: Record<string, string> = Object.create(null);
  addMetadata(
    metadata,
    resource.attributes.filter(({ key }) => !indexed.has(key)),
  );
  addMetadata(metadata, scope.attributes);
  if (scope.name !== '') metadata.scope_name = scope.name;
  if (scope.version !== '') metadata.scope_version = scope.version;
  const text = JSON.stringify(metadata);
  const id = identity([resource.bytes, scope.bytes]);
  return { table: 'streams', id, cells: [id, labels, text] };
}

function logCells(record: DecodedLogRecord, time: bigint, stream: Entry): Entry['cells'] {
  const metadata: Record<string, string> = Object.create(null);
  metadata.detected_level = levelOf(record);
  addMetadata(metadata, record.attributes);
  if (record.eventName !== '') metadata.event_name = record.eventName;
  if (record.flags !== 0) metadata.flags = String(record.flags);
  return [
    time,
    nanos(record.observedTimeUnixNano),
    stream.id,
    record.severityNumber === (record.severityNumber | 0) ? record.severityNumber : 0,
    record.severityText,
    valueText(record.body),
    idText(record.traceId),
    idText(record.spanId),
    JSON.stringify(metadata),
  ];
}

function addMetadata(metadata: Record<string, string>, attributes: readonly KeyValue[]): void {
  for (const { key, value } of attributes) {
    const text = valueText(value);
    if (text !== '') metadata[labelName(key)] = text;
  }
}

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** `detected_level` as Loki names it: by the severity number, else by its text or an attribute `level`. */
function levelOf(record: DecodedLogRecord): string {
  const byNumber = levels[Math.floor((record.severityNumber - 1) / 4)];
  if (byNumber !== undefined) return byNumber;
  const text = (record.severityText || attributeText(record.attributes, 'level')).toLowerCase();
  return levels.find(level => text.startsWith(level)) ?? (text === 'critical' ? 'critical' : 'unknown');
}
