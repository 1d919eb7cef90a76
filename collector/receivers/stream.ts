// All open streams of one receiver: who is connected, how much each may send, and their end.
import type { ComponentContext, Intake } from '../factory.ts';
import type { Sample } from '../self-telemetry.ts';
import { Admission } from './admission.ts';
import type { CallHandlers, GrpcCall } from './grpc-call.ts';
import { refuse } from './grpc-server.ts';
import { GrpcCode } from './grpc-status.ts';
import { RequestMemory } from './request-memory.ts';
import { StreamSession } from './stream-session.ts';

const KIB = 1024;

/** Bytes that one stream may have under way while the queue has room. */
const WINDOW_BYTES = 16 * 1024 * KIB;
/** A share never gets smaller, so that any batch of an agent fits into it; a full queue gives nothing. */
const WINDOW_BYTES_MIN = 1024 * KIB;
const STREAMS_MAX = 4096;
/** How often a queue that was full is asked again. */
const CREDIT_CHECK_MS = 100;

/** Serves `tricord.transport.v1.TelemetryStream/Stream`. */
export class StreamService {
  readonly #context: ComponentContext;
  readonly #intake: Intake;
  readonly #admission: Admission;
  readonly #memory: RequestMemory;
  readonly #sessions = new Set<StreamSession>();
  /** The current session of each instance, by its id in hex. */
  readonly #instances = new Map<string, StreamSession>();
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(context: ComponentContext, intake: Intake, memory: RequestMemory = new RequestMemory()) {
    this.#memory = memory;
    this.#context = context;
    this.#intake = intake;
    this.#admission = new Admission(context, 'stream', intake);
    const { telemetry } = context;
    const perReceiver = (value: () => number) => (): Sample[] => [
      { labels: { receiver: context.id }, value: value() },
    ];
    const sum = (of: (session: StreamSession) => number) => (): number =>
      [...this.#sessions].reduce((total, session) => total + of(session), 0);
    const observe = (name: string, help: string, value: () => number): void =>
      telemetry.observe(`tricord_stream_${name}`, help, perReceiver(value));
    observe('connections', 'Open streams.', () => this.#sessions.size);
    observe(
      'credit_bytes',
      'Bytes that agents may still send.',
      sum(session => session.creditLeft),
    );
    observe(
      'pending_batches',
      'Batches received and not yet durable.',
      sum(session => session.pending),
    );
  }

  serve(call: GrpcCall): CallHandlers {
    if (this.#stopping || this.#sessions.size >= STREAMS_MAX) {
      const details = this.#stopping ? 'the collector is stopping' : `more than ${STREAMS_MAX} streams`;
      return refuse(call, GrpcCode.unavailable, details);
    }
    const session = new StreamSession(call, this.#intake, this.#admission, {
      window: () => this.#window(),
      opened: instance => this.#opened(instance, session),
      closed: instance => this.#closed(instance, session),
      log: this.#context.log,
    });
    this.#sessions.add(session);
    this.#timer ??= setInterval(() => this.#renewCredit(), CREDIT_CHECK_MS).unref();
    return session;
  }

  /** Ends every stream when what it has under way is settled. */
  async close(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#sessions].map(session => session.finish()));
    clearInterval(this.#timer);
  }

  /** What a stream may have under way now: its share of the room in the queue, and in memory before it. */
  #window(): number {
    const free = Math.min(this.#intake.bytesFree(), this.#memory.free);
    if (free < WINDOW_BYTES_MIN) return 0;
    return Math.max(WINDOW_BYTES_MIN, Math.min(WINDOW_BYTES, Math.floor(free / this.#sessions.size)));
  }

  #renewCredit(): void {
    for (const session of this.#sessions) session.renewCredit();
  }

  /** A process has one stream: a second one means that the first is dead and does not know it yet. */
  #opened(instance: Uint8Array, session: StreamSession): void {
    const key = Buffer.from(instance).toString('hex');
    this.#instances.get(key)?.abort('another stream of the same instance has taken over');
    this.#instances.set(key, session);
    this.#context.log.debug('stream opened', { instance: key });
  }

  #closed(instance: Uint8Array | undefined, session: StreamSession): void {
    this.#sessions.delete(session);
    const key = instance === undefined ? '' : Buffer.from(instance).toString('hex');
    if (this.#instances.get(key) === session) this.#instances.delete(key);
    if (this.#sessions.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
