// What every receiver does with a request's bytes: check them, offer them, count them.
import { checkRequest, Signal } from 'tricord/otlp';
import type { Origin } from '../component.ts';
import type { ComponentContext, Intake } from '../factory.ts';
import type { Counter } from '../self-telemetry.ts';
import { itemNames, signalNames } from '../signals.ts';
import { refusalOf } from './refusal.ts';

export type Transport = 'grpc' | 'http' | 'stream';

/** The one way into the queue, for one receiver and transport. */
export class Admission {
  readonly #context: ComponentContext;
  readonly #transport: Transport;
  readonly #intake: Intake;
  readonly #accepted: Readonly<Record<Signal, Counter>>;
  readonly #refused: Readonly<Record<Signal, Counter>>;
  readonly #duplicate: Readonly<Record<Signal, Counter>>;

  constructor(context: ComponentContext, transport: Transport, intake: Intake) {
    this.#context = context;
    this.#transport = transport;
    this.#intake = intake;
    this.#accepted = this.#itemCounters('otelcol_receiver_accepted', 'made durable and acknowledged');
    this.#refused = this.#itemCounters('otelcol_receiver_refused', 'well-formed, but refused');
    this.#duplicate = this.#itemCounters('tricord_receiver_duplicate', 'resent, and durable already');
  }

  /**
   * Resolves when the request is durable.
   * Rejects with a WireError when it is malformed, with an {@link OfferError} when the queue refuses it.
   */
  admit(signal: Signal, payload: Uint8Array, origin?: Origin): Promise<void> {
    let items: number;
    try {
      items = checkRequest(signal, payload);
    } catch (error) {
      this.countRefusal(signal, error);
      return Promise.reject(error);
    }
    const offered = this.#intake.offer({ signal, payload, items, source: this.#context.id, origin });
    return offered.then(
      offered => (offered === 'new' ? this.#accepted : this.#duplicate)[signal].add(items),
      error => {
        this.#refused[signal].add(items);
        this.countRefusal(signal, error);
        throw error;
      },
    );
  }

  /** Counts a request that did not get in; for those that never came as far as {@link admit}, too. */
  countRefusal(signal: Signal, error: unknown): void {
    const labels = { ...this.#labels(), signal: signalNames[signal], reason: refusalOf(error).reason };
    const help = 'Requests refused, by reason.';
    this.#context.telemetry.counter('otelcol_receiver_refused_requests_total', help, labels).add(1);
  }

  #labels(): { readonly receiver: string; readonly transport: Transport } {
    return { receiver: this.#context.id, transport: this.#transport };
  }

  #itemCounters(prefix: string, help: string): Readonly<Record<Signal, Counter>> {
    const { telemetry } = this.#context;
    const counter = (signal: Signal): Counter => {
      const name = `${prefix}_${itemNames[signal]}_total`;
      return telemetry.counter(name, `Items ${help}.`, this.#labels());
    };
    return { 1: counter(Signal.traces), 2: counter(Signal.metrics), 3: counter(Signal.logs) };
  }
}
