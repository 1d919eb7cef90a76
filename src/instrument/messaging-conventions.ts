// The part of OpenTelemetry's semantic conventions for messaging (in development) that all systems share.
import { type Attributes, type Counter, type Histogram, type Meter, SpanKind } from '@opentelemetry/api';
import { durationBuckets } from './http-conventions.ts';

/** The scope of spans and metrics about messaging. */
export const MESSAGING_SCOPE = 'tricord/messaging';

/** Names of attributes, from the registry of semantic conventions. */
export const Messaging = {
  system: 'messaging.system',
  operation: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  anonymous: 'messaging.destination.anonymous',
  partition: 'messaging.destination.partition.id',
  group: 'messaging.consumer.group.name',
  batchCount: 'messaging.batch.message_count',
  messageId: 'messaging.message.id',
  conversationId: 'messaging.message.conversation_id',
  jobName: 'messaging.bullmq.job.name',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  errorType: 'error.type',
} as const;

export type OperationType = 'send' | 'receive' | 'process';

/** The kinds of spans: where messages are sent, the span's context goes with them. */
export const kindOfSpan: Readonly<Record<OperationType, SpanKind>> = {
  send: SpanKind.PRODUCER,
  receive: SpanKind.CLIENT,
  process: SpanKind.CONSUMER,
};

/** What is done with messages, as far as it is the same every time: few of them in a process. */
export interface MessagingOperation {
  readonly system: string;
  /** As the system calls it. */
  readonly name: string;
  readonly type: OperationType;
  readonly destination: string | undefined;
  /** The broker has made up the name: there will be many, which no metric and no span's name can tell apart. */
  readonly isAnonymous?: boolean;
  readonly group?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

/** `{operation} {destination}`, or `{operation}`. */
export function spanNameOf({ name, destination, isAnonymous }: MessagingOperation): string {
  return destination && !isAnonymous ? `${name} ${destination}` : name;
}

/** What the metrics tell apart, failures left out. */
export function metricAttributesOf(operation: MessagingOperation): Attributes {
  return {
    [Messaging.system]: operation.system,
    [Messaging.operation]: operation.name,
    [Messaging.operationType]: operation.type,
    [Messaging.destination]: operation.isAnonymous ? undefined : operation.destination,
    [Messaging.group]: operation.group,
    [Messaging.serverAddress]: operation.address,
    [Messaging.serverPort]: operation.port,
  };
}

/** What measures operations of one type: how long they take, and how many messages they move. */
export interface MessagingInstruments {
  readonly duration: Histogram;
  readonly messages: Counter;
}

/** The instruments of each type of operation ("Messaging metrics"). */
export function createInstruments(meter: Meter): Readonly<Record<OperationType, MessagingInstruments>> {
  const seconds = (name: string, description: string): Histogram =>
    meter.createHistogram(name, {
      unit: 's',
      description,
      advice: { explicitBucketBoundaries: durationBuckets },
    });
  const messages = (name: string, description: string): Counter =>
    meter.createCounter(name, { unit: '{message}', description });
  const client = seconds(
    'messaging.client.operation.duration',
    'Duration of messaging operation initiated by a producer or consumer client.',
  );
  const process = seconds('messaging.process.duration', 'Duration of processing operation.');
  const sent = messages(
    'messaging.client.sent.messages',
    'Number of messages producer attempted to send to the broker.',
  );
  const consumed = messages(
    'messaging.client.consumed.messages',
    'Number of messages that were delivered to the application.',
  );
  return {
    send: { duration: client, messages: sent },
    receive: { duration: client, messages: consumed },
    process: { duration: process, messages: consumed },
  };
}
