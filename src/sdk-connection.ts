// The connection that the components of a stock OpenTelemetry SDK share, and what they have in common.
import { CollectorWatch } from './collector-watch.ts';
import { checkConnection, notices, openTransport } from './connection.ts';
import { TricordError } from './errors.ts';
import { flushAtExit } from './exit.ts';
import type { Options } from './options.ts';
import { readOptions } from './read-options.ts';
import type { AnyValue, AttributeList, Sink } from './transport/otlp/record.ts';
import type { TransportStats } from './transport/stats.ts';
import type { Transport } from './transport/transport.ts';

/** The options of the transport and of what it lets through; what else there is, the SDK decides. */
export type ConnectionOptions = Pick<
  Options,
  | 'endpoint'
  | 'protocol'
  | 'headers'
  | 'certificate'
  | 'clientCertificate'
  | 'clientKey'
  | 'timeout'
  | 'metricExportInterval'
  | 'logsFields'
  | 'tracesLinger'
  | 'logsLinger'
  | 'ringBytes'
  | 'resendBytes'
  | 'transportThread'
  | 'flushTimeout'
>;

/** What is read of the SDK's `Resource`. */
export interface SdkResource {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly asyncAttributesPending?: boolean | undefined;
  waitForAsyncAttributes?(): Promise<void>;
}

/** Spans and log records that wait for the resource's asynchronous attributes; when there are more, they are not waited for. */
const HELD_MAX = 2048;

/** Given undefined when nothing is sent any more. */
type Write = (sink: Sink | undefined) => void;

/**
 * What the components of one SDK share: a transport, which is opened with the SDK's resource when the first of them has
 * something to send, and closed when the last of them shuts down. What lies in it is delivered when the process exits.
 */
export class TricordConnection {
  readonly options: Readonly<ConnectionOptions>;
  readonly #options: Readonly<Options>;
  #transport: Transport | undefined;
  #resource: SdkResource | undefined;
  #held: Write[] = [];
  #users = 0;
  #closed = false;
  #unwatch: (() => void) | undefined;
  readonly #watch: CollectorWatch;

  /**
   * @param given options that take precedence over the environment's; see `docs/options.md`
   * @throws OptionError for one that cannot be used
   */
  constructor(given: Partial<ConnectionOptions> = {}) {
    const { options, warnings } = readOptions(given);
    for (const warning of warnings) notices.say(warning);
    checkConnection(options);
    this.#options = options;
    this.options = options;
    this.#watch = new CollectorWatch(options.endpoint, line => notices.say(line));
  }

  /** What was accepted, delivered and dropped so far; undefined before anything was sent. */
  stats(): TransportStats | undefined {
    return this.#transport?.stats();
  }

  /** Whether its last component has shut down: nothing is sent any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** @internal One more component. */
  use(): this {
    this.#users++;
    return this;
  }

  /** @internal Where records go; undefined until the transport is open, and when it is closed. */
  get sink(): Sink | undefined {
    return this.#closed ? undefined : this.#transport?.sink;
  }

  /** @internal Calls `write` with the sink: now, or when the resource is complete. */
  send(resource: SdkResource, write: Write): void {
    if (this.#closed || this.sink !== undefined) return write(this.sink);
    this.#held.push(write);
    this.#resource ??= resource;
    if (resource.asyncAttributesPending !== true || this.#held.length > HELD_MAX) return this.#open();
    if (this.#held.length > 1) return;
    this.#watchExit();
    const open = (): void => this.#open();
    resource.waitForAsyncAttributes?.().then(open, open);
    setTimeout(open, this.#options.flushTimeout).unref();
  }

  #watchExit(): void {
    this.#unwatch ??= flushAtExit(timeoutMs => this.#flushSync(timeoutMs), this.#options.flushTimeout);
  }

  #open(): void {
    if (this.#closed || this.#transport !== undefined || this.#resource === undefined) return;
    try {
      this.#transport = openTransport(this.#options, listOf(this.#resource.attributes), this.#watch);
      this.#watchExit();
    } catch (error) {
      this.#closed = true;
      notices.say(`nothing is sent: ${(error as Error).message}`);
    }
    const held = this.#held;
    this.#held = [];
    for (const write of held) write(this.sink);
  }

  #flushSync(timeoutMs: number): void {
    this.#open();
    const transport = this.#transport;
    if (transport === undefined) return;
    if (transport.flushSync(timeoutMs)) this.#watch.settled(transport.stats());
    else this.#watch.ended(transport.stats());
  }

  /** @internal Waits for the resource of what is held, within the time of a flush; then it is as complete as it gets. */
  async complete(): Promise<void> {
    if (this.#transport !== undefined || this.#resource === undefined) return;
    const timeUp = Promise.withResolvers<void>();
    const timer = setTimeout(timeUp.resolve, this.#options.flushTimeout);
    await Promise.race([this.#resource.waitForAsyncAttributes?.().catch(() => {}), timeUp.promise]);
    clearTimeout(timer);
    this.#open();
  }

  /** @internal @throws TricordError when not everything is delivered in time */
  async flush(): Promise<void> {
    await this.complete();
    const { flushTimeout, endpoint } = this.#options;
    if (this.#transport === undefined || (await this.#transport.flush(flushTimeout))) return;
    const { lastFailure } = this.#transport.stats();
    const why = lastFailure === undefined ? '' : `: ${lastFailure}`;
    throw new TricordError(
      'TRICORD_FLUSH',
      `Not everything was delivered to ${endpoint} within ${flushTimeout} ms${why}.`,
    );
  }

  /** @internal One component less. @throws TricordError when not everything is delivered in time */
  async release(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#users--;
      if (this.#users === 0) {
        this.#closed = true;
        this.#unwatch?.();
        await this.#transport?.shutdown(this.#options.flushTimeout);
      }
    }
  }
}

let shared: TricordConnection | undefined;

/** The connection of those who are given none: one in a process at a time. */
function sharedConnection(): TricordConnection {
  if (shared === undefined || shared.closed) shared = new TricordConnection();
  return shared;
}

/** A component of the SDK: what it does once it is shut down is nothing. */
export abstract class Component {
  readonly connection: TricordConnection;
  #down: Promise<void> | undefined;

  /** @param connection default: one that all such components of the process share */
  constructor(connection: TricordConnection = sharedConnection()) {
    this.connection = connection.use();
  }

  protected get isDown(): boolean {
    return this.#down !== undefined;
  }

  /** @throws TricordError when not everything is delivered within `flushTimeout` */
  forceFlush(): Promise<void> {
    return this.isDown ? Promise.resolve() : this.connection.flush();
  }

  /** Flushes; the last one of a connection closes it. @throws TricordError as `forceFlush` does */
  shutdown(): Promise<void> {
    this.#down ??= this.connection.release();
    return this.#down;
  }
}

/** Asynchronous attributes that have not settled are not among them. */
function listOf(attributes: Readonly<Record<string, unknown>>): AttributeList {
  const keys = Object.keys(attributes).filter(key => !(attributes[key] instanceof Promise));
  return { keys, values: keys.map(key => attributes[key] as AnyValue), count: keys.length };
}
