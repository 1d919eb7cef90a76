// A broker of AMQP 0-9-1 at its place, the operations on its destinations, and what spans say of its messages.
import type { Span } from '@opentelemetry/api';
import { BoundedCache } from './bounded-cache.ts';
import type { Headers, MessagingCall, MessagingClient, ObservedOperation } from './messaging-client.ts';
import { Messaging, type MessagingOperation } from './messaging-conventions.ts';

const SYSTEM = 'rabbitmq';
const ROUTING_KEY = 'messaging.rabbitmq.destination.routing_key';
const DELIVERY_TAG = 'messaging.rabbitmq.message.delivery_tag';
const DEFAULT_EXCHANGE = 'amq.default';
/** Queues that the broker has named, and those of direct replies. */
const madeUp = /^amq\.(gen-|rabbitmq\.reply-to)/;
/** Destinations of one generation; routing keys may have data in them. */
const DESTINATIONS_MAX = 500;

/** What a message is published with, as far as it is looked at. */
export interface PublishOptions {
  readonly headers?: Headers;
  readonly messageId?: unknown;
  readonly correlationId?: unknown;
}

/** A message as the application gets it. */
export interface AmqpMessage {
  readonly fields: {
    readonly exchange: string;
    readonly routingKey: string;
    readonly deliveryTag: number;
  };
  readonly properties: PublishOptions;
}

/** What is done with messages, by its name and type. */
type Action = Pick<MessagingOperation, 'name' | 'type'>;

const publishing: Action = { name: 'publish', type: 'send' };
const getting: Action = { name: 'get', type: 'receive' };
const processing: Action = { name: 'process', type: 'process' };

export class AmqpBroker {
  readonly #client: MessagingClient;
  readonly #address: string | undefined;
  readonly #port: number | undefined;
  readonly #operations = new BoundedCache<ObservedOperation>(DESTINATIONS_MAX);

  constructor(client: MessagingClient, address: string | undefined, port: number | undefined) {
    this.#client = client;
    this.#address = address;
    this.#port = port;
  }

  /** Starts to publish a message; undefined where tracing is suppressed. */
  publish(exchange: string, routingKey: string, options: PublishOptions): MessagingCall | undefined {
    const call = this.#operation(publishing, exchange, routingKey, '').start(1);
    if (call?.span.isRecording()) describe(call.span, routingKey, options);
    return call;
  }

  /** Starts to get a message from a queue, which may be empty. */
  get(queue: string): MessagingCall | undefined {
    return this.#operation(getting, '', '', queue).start(0);
  }

  /** Starts what a consumer of the queue does with a message. */
  process(queue: string, { fields, properties }: AmqpMessage): MessagingCall | undefined {
    const { exchange, routingKey } = fields;
    const call = this.#operation(processing, exchange, routingKey, queue).startFrom(properties.headers);
    if (call?.span.isRecording()) describeReceived(call.span, { fields, properties });
    return call;
  }

  #operation(action: Action, exchange: string, routingKey: string, queue: string): ObservedOperation {
    const key = `${action.name}:${exchange.length}:${exchange}${routingKey.length}:${routingKey}${queue}`;
    let operation = this.#operations.get(key);
    if (operation === undefined) {
      const isAnonymous = madeUp.test(queue) || madeUp.test(routingKey);
      const destination = destinationOf(exchange, routingKey, queue);
      operation = this.#client.observe({
        ...{ ...action, system: SYSTEM, destination, isAnonymous },
        ...{ address: this.#address, port: this.#port },
      });
      this.#operations.set(key, operation);
    }
    return operation;
  }
}

/** `{exchange}:{routing key}:{queue}` of what is not empty and says something new ("RabbitMQ attributes"). */
function destinationOf(exchange: string, routingKey: string, queue: string): string {
  const parts = [exchange, routingKey, queue === routingKey ? '' : queue];
  return parts.filter(part => part !== '').join(':') || DEFAULT_EXCHANGE;
}

export function describeReceived(span: Span, { fields, properties }: AmqpMessage): void {
  describe(span, fields.routingKey, properties);
  span.setAttribute(DELIVERY_TAG, fields.deliveryTag);
}

function describe(span: Span, routingKey: string, { messageId, correlationId }: PublishOptions): void {
  if (routingKey !== '') span.setAttribute(ROUTING_KEY, routingKey);
  if (typeof messageId === 'string') span.setAttribute(Messaging.messageId, messageId);
  if (typeof correlationId === 'string') span.setAttribute(Messaging.conversationId, correlationId);
}
