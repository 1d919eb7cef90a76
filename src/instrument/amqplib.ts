// Producer and consumer spans and metrics of amqplib: what its channels publish, get, and hand to consumers.
import { AmqpBroker, type AmqpMessage, describeReceived, type PublishOptions } from './amqp-broker.ts';
import { inActiveContext, isCallback } from './callback-context.ts';
import { attempt } from './fault.ts';
import { failureOf, linkToMessages, type MessagingCall, MessagingClient } from './messaging-client.ts';
import { exported, onPackageLoad } from './module-hooks.ts';
import { observedPromise } from './observed-promise.ts';

const BROKER = Symbol('tricord.amqp-broker');

interface AmqpConnection {
  readonly stream?: { readonly remoteAddress?: string; readonly remotePort?: number };
  [BROKER]?: AmqpBroker;
}

interface AmqpChannel {
  readonly connection: AmqpConnection;
}

type Method = (this: AmqpChannel, ...args: unknown[]) => unknown;
type Methods = Record<string, Method>;

interface HasPrototype {
  new (...args: never[]): object;
  readonly prototype: Methods;
}

/** As `connect` takes them. */
interface UrlParts {
  readonly protocol?: string | undefined;
  readonly hostname?: string | undefined;
  readonly port?: number | string | undefined;
}

type Connect = (this: unknown, url: unknown, options: unknown, callback: unknown) => unknown;

/** Observes every channel of amqplib 0.10 to 2 in this thread, of both of its interfaces. */
export function instrumentAmqplib(): void {
  let client: MessagingClient | undefined;
  onPackageLoad('amqplib', exports => {
    client ??= new MessagingClient();
    return patch(exports, client);
  });
}

/** Looks at every file of amqplib: one connects, one has what all channels share, and two those of the interfaces. */
function patch(exports: object, client: MessagingClient): boolean {
  const connect = exported<Connect>(exports, 'connect');
  if (connect !== undefined && exported(exports, 'credentialsFromUrl') !== undefined) {
    patchConnect(exports as { connect: Connect }, connect, client);
    return true;
  }
  const base = exported<HasPrototype>(exports, 'BaseChannel');
  const channel = exported<HasPrototype>(exports, 'Channel');
  const confirm = exported<HasPrototype>(exports, 'ConfirmChannel');
  if (channel !== undefined && base !== undefined) keepContexts(channel.prototype);
  else if (channel !== undefined && confirm !== undefined) new AmqpChannels(client).observe(channel, confirm);
  else return false;
  return true;
}

/** A connection does not know the name of its broker, only the address. */
function patchConnect(exports: { connect: Connect }, connect: Connect, client: MessagingClient): void {
  exports.connect = function (url, options, callback) {
    if (!isCallback(callback)) return connect.call(this, url, options, callback);
    return connect.call(this, url, options, (error: unknown, connection?: AmqpConnection) => {
      attempt('amqplib', () => {
        if (connection) connection[BROKER] = brokerAt(client, url);
      });
      return callback(error, connection);
    });
  };
}

/** Whoever waits for a reply is called back by the connection. */
function keepContexts(prototype: Methods): void {
  const { sendOrEnqueue } = prototype;
  if (typeof sendOrEnqueue !== 'function') return;
  prototype.sendOrEnqueue = function (method, fields, reply) {
    return sendOrEnqueue.call(this, method, fields, inActiveContext(reply));
  };
}

class AmqpChannels {
  readonly #client: MessagingClient;

  constructor(client: MessagingClient) {
    this.#client = client;
  }

  observe(Channel: HasPrototype, ConfirmChannel: HasPrototype): void {
    const channel = Channel.prototype;
    const confirm = ConfirmChannel.prototype;
    const publish = channel.publish!;
    const publishConfirmed = confirm.publish!;
    const send = this.#publish.bind(this);
    channel.publish = function (...args) {
      return this instanceof ConfirmChannel ? publish.apply(this, args) : send(this, publish, args);
    };
    confirm.publish = function (...args) {
      return send(this, publishConfirmed, args, true);
    };
    this.#observeGet(channel);
    this.#observeConsumers(channel);
  }

  /** @param isConfirmed whether the message has been sent when the broker confirms it, or when it is written */
  #publish(channel: AmqpChannel, publish: Method, args: unknown[], isConfirmed = false): unknown {
    const [exchange, routingKey, content, options, callback] = args;
    const given = (options ?? {}) as PublishOptions;
    const start = (): MessagingCall | undefined =>
      this.#brokerOf(channel).publish(String(exchange), String(routingKey), given);
    const call = attempt('amqplib', start);
    if (call === undefined) return publish.apply(channel, args);
    const confirmed = (error: unknown): unknown => {
      call.end(error ? failureOf(error) : undefined);
      return isCallback(callback) ? call.parent.run(() => callback(error)) : undefined;
    };
    return call.guard(() => {
      const sent = { ...given, headers: call.inject(given.headers) };
      const end = isConfirmed ? confirmed : callback;
      const result = publish.call(channel, exchange, routingKey, content, sent, end);
      if (!isConfirmed) call.end();
      return result;
    });
  }

  /** Of a queue, with a promise or a callback. */
  #observeGet(channel: Methods): void {
    const get = channel.get!;
    const start = (self: AmqpChannel, queue: unknown): MessagingCall | undefined =>
      attempt('amqplib', () => this.#brokerOf(self).get(String(queue)));
    channel.get = function (queue, options, callback) {
      const call = start(this, queue);
      if (call === undefined) return get.call(this, queue, options, callback);
      const got = (message: unknown): unknown => {
        attempt('amqplib', () => take(call, message));
        return message;
      };
      if (!isCallback(callback)) {
        const answer = call.guard(() => get.call(this, queue, options)) as Promise<unknown>;
        return observedPromise(answer.then(got), call, failureOf);
      }
      const answered = (error: unknown, message: unknown): unknown => {
        got(message);
        call.end(error ? failureOf(error) : undefined);
        return call.parent.run(() => callback(error, message));
      };
      return call.guard(() => get.call(this, queue, options, answered));
    };
  }

  #observeConsumers(channel: Methods): void {
    const consume = channel.consume!;
    const start = (self: AmqpChannel, queue: unknown, message: AmqpMessage): MessagingCall | undefined =>
      attempt('amqplib', () => this.#brokerOf(self).process(String(queue), message));
    channel.consume = function (queue, callback, ...rest) {
      if (!isCallback(callback)) return consume.call(this, queue, callback, ...rest);
      const consumer = (message: AmqpMessage | null): unknown => {
        const call = message === null ? undefined : start(this, queue, message);
        return call === undefined ? callback(message) : call.run(() => callback(message));
      };
      return consume.call(this, queue, consumer, ...rest);
    };
  }

  /** That of a connection which was made before we came is known by its address. */
  #brokerOf({ connection }: AmqpChannel): AmqpBroker {
    const { remoteAddress, remotePort } = connection.stream ?? {};
    connection[BROKER] ??= new AmqpBroker(this.#client, remoteAddress, remotePort);
    return connection[BROKER];
  }
}

/** Where a URL, or the parts of one, lead to: amqplib's defaults included. */
function brokerAt(client: MessagingClient, given: unknown): AmqpBroker {
  const url = typeof given === 'object' && given !== null ? (given as UrlParts) : partsOf(given);
  const port = url.port || (url.protocol === 'amqps' ? 5671 : 5672);
  return new AmqpBroker(client, url.hostname || 'localhost', Number(port));
}

function partsOf(url: unknown): UrlParts {
  const { protocol, hostname, port } = new URL(String(url || 'amqp://localhost'));
  return { protocol: protocol.slice(0, -1), hostname: hostname.replace(/^\[|\]$/g, ''), port };
}

/** Notes what was got; a queue that has none gives `false`. */
function take(call: MessagingCall, got: unknown): void {
  if (typeof got !== 'object' || got === null) return;
  const message = got as AmqpMessage;
  call.messages = 1;
  if (!call.span.isRecording()) return;
  linkToMessages(call.span, [message.properties.headers]);
  describeReceived(call.span, message);
}
