// Producer and consumer spans and metrics of kafkajs: what its producers send, and hand to the functions of its consumers.
import { isUtf8 } from 'node:buffer';
import type { Span } from '@opentelemetry/api';
import { ObservabilityContext } from '../index.ts';
import { errorType } from './error-type.ts';
import { attempt } from './fault.ts';
import {
  type Headers,
  linkToMessages,
  type MessagingCall,
  MessagingClient,
  type MessagingFailure,
  OperationsByDestination,
  together,
} from './messaging-client.ts';
import { Messaging } from './messaging-conventions.ts';
import { exported, onPackageLoad } from './module-hooks.ts';
import { observedPromise } from './observed-promise.ts';

const SYSTEM = 'kafka';
const KEY = 'messaging.kafka.message.key';
const OFFSET = 'messaging.kafka.offset';
const TOMBSTONE = 'messaging.kafka.message.tombstone';

interface KafkaMessage {
  readonly key?: unknown;
  readonly value?: unknown;
  readonly headers?: Headers;
  /** Of one that was received. */
  readonly offset?: string;
}

interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly KafkaMessage[];
}

/** A producer, or a transaction of one. */
interface Sender {
  send(record: TopicMessages): Promise<unknown>;
  sendBatch(batch: { readonly topicMessages?: readonly TopicMessages[] }): Promise<unknown>;
  transaction?(): Promise<Sender>;
}

interface MessagePayload {
  readonly topic: string;
  readonly partition: number;
  readonly message: KafkaMessage;
}

interface BatchPayload {
  readonly batch: TopicMessages & { readonly partition: number };
}

interface RunOptions {
  readonly eachMessage?: ((payload: MessagePayload) => unknown) | null;
  readonly eachBatch?: ((payload: BatchPayload) => unknown) | null;
}

interface Consumer {
  run(options?: RunOptions): Promise<unknown>;
}

interface KafkaMethods {
  producer(options?: unknown): Sender;
  consumer(options?: { readonly groupId?: string }): Consumer;
}

/** Observes every producer and consumer of kafkajs 1 and 2 in this thread that is made from now on. */
export function instrumentKafkajs(): void {
  onPackageLoad('kafkajs', exports => {
    const kafka = exported<{ readonly prototype?: KafkaMethods }>(exports, 'Kafka')?.prototype;
    if (typeof kafka?.producer !== 'function' || typeof kafka.consumer !== 'function') return false;
    patch(kafka);
    return true;
  });
}

function patch(kafka: KafkaMethods): void {
  const { producer, consumer } = kafka;
  const client = new MessagingClient();
  const sent = new KafkaSenders(client);
  kafka.producer = function (options) {
    const made = producer.call(this, options);
    sent.observe(made);
    return made;
  };
  kafka.consumer = function (options) {
    const made = consumer.call(this, options);
    new KafkaConsumer(client, options?.groupId).observe(made);
    return made;
  };
}

/** Messages on their way: a span for each topic, whose context they carry. */
interface Sending {
  readonly topics: readonly TopicMessages[];
  readonly calls: readonly MessagingCall[];
}

class KafkaSenders {
  readonly #sending: OperationsByDestination;

  constructor(client: MessagingClient) {
    this.#sending = new OperationsByDestination(client, { system: SYSTEM, name: 'send', type: 'send' });
  }

  observe(sender: Sender): void {
    const { send, sendBatch, transaction } = sender;
    sender.send = record =>
      this.#send([record], topics => send(topics === undefined ? record : { ...record, ...topics[0] }));
    sender.sendBatch = batch =>
      this.#send(batch?.topicMessages, topicMessages =>
        sendBatch(topicMessages === undefined ? batch : { ...batch, topicMessages }),
      );
    if (typeof transaction !== 'function') return;
    sender.transaction = async () => {
      const begun = await transaction();
      this.observe(begun);
      return begun;
    };
  }

  /** @param deliver takes the messages to be sent in the place of those that were given, if there are any */
  #send(
    given: readonly TopicMessages[] | undefined,
    deliver: (topics: readonly TopicMessages[] | undefined) => Promise<unknown>,
  ): Promise<unknown> {
    const sending = isSendable(given) ? attempt('kafkajs', () => this.#start(given)) : undefined;
    if (sending === undefined) return deliver(undefined);
    return observedPromise(deliver(sending.topics), together(sending.calls), failureOf);
  }

  #start(given: readonly TopicMessages[]): Sending | undefined {
    const calls: MessagingCall[] = [];
    const topics: TopicMessages[] = [];
    for (const { topic, messages } of given) {
      const call = this.#sending.on(topic).start(messages.length);
      if (call === undefined) return undefined;
      calls.push(call);
      topics.push({ topic, messages: withContext(messages, call) });
      if (call.span.isRecording()) describeMessages(call.span, messages);
    }
    return { topics, calls };
  }
}

/** Whatever else kafkajs is given is for it to refuse. */
function isSendable(given: unknown): given is readonly TopicMessages[] {
  const isTopic = (each: Partial<TopicMessages> | undefined): boolean =>
    typeof each?.topic === 'string' && Array.isArray(each.messages);
  return Array.isArray(given) && given.every(isTopic);
}

/** Copies, as the application may send its own again. */
function withContext(messages: readonly KafkaMessage[], call: MessagingCall): KafkaMessage[] {
  const own = call.inject(undefined);
  return messages.map(message => ({
    ...message,
    headers: message.headers === undefined ? own : call.inject(message.headers),
  }));
}

class KafkaConsumer {
  readonly #processing: OperationsByDestination;

  constructor(client: MessagingClient, group: string | undefined) {
    const action = { name: 'process', type: 'process' } as const;
    this.#processing = new OperationsByDestination(client, { system: SYSTEM, ...action, group });
  }

  observe(consumer: Consumer): void {
    const { run } = consumer;
    consumer.run = options => {
      if (!options) return run(options);
      const { eachMessage, eachBatch } = options;
      return run({
        ...options,
        ...(eachMessage && { eachMessage: observed(eachMessage, payload => this.#startMessage(payload)) }),
        ...(eachBatch && { eachBatch: observed(eachBatch, payload => this.#startBatch(payload)) }),
      });
    };
  }

  #startMessage({ topic, partition, message }: MessagePayload): MessagingCall | undefined {
    const call = this.#processing.on(topic).startFrom(message.headers);
    if (call?.span.isRecording()) {
      call.span.setAttribute(Messaging.partition, String(partition));
      describeMessages(call.span, [message]);
    }
    return call;
  }

  /** A batch has many parents, and therefore none. */
  #startBatch({ batch: { topic, partition, messages } }: BatchPayload): MessagingCall | undefined {
    const call = this.#processing.on(topic).start(messages.length, ObservabilityContext.root);
    if (call?.span.isRecording()) {
      call.span.setAttributes({
        [Messaging.partition]: String(partition),
        [Messaging.batchCount]: messages.length,
      });
      linkToMessages(
        call.span,
        messages.map(({ headers }) => headers),
      );
    }
    return call;
  }
}

function observed<Payload>(
  work: (payload: Payload) => unknown,
  start: (payload: Payload) => MessagingCall | undefined,
): (payload: Payload) => unknown {
  return payload => {
    const call = attempt('kafkajs', () => start(payload));
    return call === undefined ? work(payload) : call.run(() => work(payload));
  };
}

/** What distinguishes one message, or how many there are. */
function describeMessages(span: Span, messages: readonly KafkaMessage[]): void {
  if (messages.length !== 1) {
    span.setAttribute(Messaging.batchCount, messages.length);
    return;
  }
  const { key, value, offset } = messages[0]!;
  if (typeof key === 'string') span.setAttribute(KEY, key);
  else if (Buffer.isBuffer(key) && isUtf8(key)) span.setAttribute(KEY, key.toString());
  if (offset !== undefined) span.setAttribute(OFFSET, Number(offset));
  if (value === null) span.setAttribute(TOMBSTONE, true);
}

/** Errors of the broker have its name of them; behind the last attempt is the error of that. */
function failureOf(error: unknown): MessagingFailure {
  const { type, cause } = (error ?? {}) as { type?: unknown; cause?: { type?: unknown } };
  const told = type ?? cause?.type;
  return { error, type: typeof told === 'string' ? told : errorType(error) };
}
