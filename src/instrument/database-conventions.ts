// The part of OpenTelemetry's semantic conventions for databases (stable) that all of them share.
import type { Attributes, Histogram, Meter } from '@opentelemetry/api';

/** The scope of spans and metrics about databases. */
export const DATABASE_SCOPE = 'tricord/database';

/** Names of attributes, from the registry of semantic conventions. */
export const Db = {
  system: 'db.system.name',
  namespace: 'db.namespace',
  operation: 'db.operation.name',
  batchSize: 'db.operation.batch.size',
  collection: 'db.collection.name',
  queryText: 'db.query.text',
  querySummary: 'db.query.summary',
  statusCode: 'db.response.status_code',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  errorType: 'error.type',
} as const;

/** Bounds of the duration in seconds (semantic conventions, "Database client metrics"). */
const durationBuckets: number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

export function createOperationDuration(meter: Meter): Histogram {
  return meter.createHistogram('db.client.operation.duration', {
    unit: 's',
    description: 'Duration of database client operations.',
    advice: { explicitBucketBoundaries: durationBuckets },
  });
}

/** What is done, as far as it is the same every time: few of them in a process. */
export interface Operation {
  /** Tells operations apart: the summary or the name. */
  readonly key: string;
  readonly summary: string | undefined;
  readonly name: string | undefined;
  readonly collection: string | undefined;
  /** Without the data in it; undefined where it is not the same every time. */
  readonly text: string | undefined;
}

/** Where it is done: what a connection is connected to. */
export interface Place {
  readonly system: string;
  readonly namespace: string | undefined;
  /** A host's name or address, or the path of a socket. */
  readonly address: string | undefined;
  readonly port: number | undefined;
}

/** `{summary}`, or `{operation} {target}`, with what is known of it. */
export function spanNameOf(operation: Operation, place: Place): string {
  if (operation.summary) return operation.summary;
  const { namespace, address, port } = place;
  const server = port === undefined ? address : `${address}:${port}`;
  const target = operation.collection ?? namespace ?? server;
  return [operation.name, target].filter(Boolean).join(' ') || place.system;
}

/** What the duration tells apart, failures left out. */
export function metricAttributesOf(operation: Operation, place: Place): Attributes {
  return {
    [Db.system]: place.system,
    [Db.namespace]: place.namespace,
    [Db.operation]: operation.name,
    [Db.collection]: operation.collection,
    [Db.querySummary]: operation.summary || undefined,
    [Db.serverAddress]: place.address,
    [Db.serverPort]: place.port,
  };
}
