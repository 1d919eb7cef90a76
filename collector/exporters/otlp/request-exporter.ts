// What exporting OTLP is whatever carries it: joining batches into requests, counting what the receiver left out.
import { readSuccess, Signal } from 'tricord/otlp';
import type { Exporter, ExportReport, QueuedBatch, RetryPolicy } from '../../component.ts';
import type { ComponentContext } from '../../factory.ts';
import { itemNames, signalNames } from '../../signals.ts';
import type { SharedSettings } from './settings.ts';

/** Carries one request to the receiver. */
export interface Sender {
  /**
   * Resolves with the bytes of the `Export…ServiceResponse`.
   * Rejects with an OfferError: retryable exactly where the OTLP specification says so.
   */
  send(signal: Signal, request: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

const SIGNALS = [Signal.traces, Signal.metrics, Signal.logs] as const;

/** Without `retry_on_failure` one failure drops the batches. */
const neverAgain: RetryPolicy = {
  initialMs: 0,
  maxMs: 0,
  multiplier: 1,
  randomization: 0,
  giveUpAfterMs: 1e-3,
};

export class RequestExporter implements Exporter {
  readonly retry: RetryPolicy;
  readonly exportBytesMax: number;
  readonly #sender: Sender;
  readonly #context: ComponentContext;

  constructor(sender: Sender, settings: SharedSettings, context: ComponentContext) {
    this.#sender = sender;
    this.#context = context;
    this.retry = settings.retry_on_failure ?? neverAgain;
    this.exportBytesMax = settings.max_request_size;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#sender.close();
  }

  /** One request for each signal, side by side; one that fails does not undo the others. */
  async export(batches: readonly QueuedBatch[], report?: ExportReport): Promise<void> {
    const requests = SIGNALS.map(signal => batches.filter(batch => batch.signal === signal))
      .filter(group => group.length > 0)
      .map(group => this.#send(group, report));
    const failed = (await Promise.allSettled(requests)).find(result => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Repeated fields concatenate: requests of one signal, one after another, are one request. */
  async #send(group: readonly QueuedBatch[], report: ExportReport | undefined): Promise<void> {
    const [first] = group;
    const request = group.length === 1 ? first!.payload : Buffer.concat(group.map(batch => batch.payload));
    const response = await this.#sender.send(first!.signal, request);
    const rejected = this.#countRejected(first!.signal, response);
    if (report === undefined) return;
    loseFirst(group, rejected, report);
    for (const batch of group) report.delivered(batch);
  }

  /** A partial success is never sent again (OTLP specification). */
  #countRejected(signal: Signal, response: Uint8Array): number {
    const outcome = readSuccess(response);
    if (outcome.kind !== 'delivered' || (outcome.rejected === 0 && outcome.reason === '')) return 0;
    const { id, log, telemetry } = this.#context;
    const name = `tricord_exporter_partially_rejected_${itemNames[signal]}_total`;
    const help = 'Items that the receiver left out of a request that it took.';
    telemetry.counter(name, help, { exporter: id }).add(outcome.rejected);
    const fields = { signal: signalNames[signal], rejected: outcome.rejected, reason: outcome.reason };
    log.warn('partial success', fields);
    return outcome.rejected;
  }
}

/** The receiver does not say which items of a request it left out: the first ones are taken for them. */
function loseFirst(group: readonly QueuedBatch[], rejected: number, report: ExportReport): void {
  let left = rejected;
  for (const batch of group) {
    const lost = Math.min(left, batch.items);
    if (lost > 0) report.lost(batch, 'partially_rejected', lost);
    left -= lost;
  }
}
