// Plain OTLP for collectors that do not know the stream: a few exports at a time, each retried until it is settled.
import { Backoff } from './backoff.ts';
import type { Client, ClientEvents, Held } from './client.ts';
import { type Control, ThreadCounter } from './control.ts';
import type { Ledger, OutgoingBatch } from './ledger.ts';
import type { ExportOutcome } from './otlp/response.ts';

const IN_FLIGHT_MAX = 4;

/** Sends one batch once. `export` never rejects. */
export interface OtlpExporter {
  export(batch: OutgoingBatch): Promise<ExportOutcome>;
  /** Lets exports under way end, within the time. */
  close(withinMs: number): Promise<void>;
  /** Ends everything now. */
  destroy(): void;
}

/**
 * Retryable failures hold the whole client back, for as long as the receiver asks or the back-off says; the batch keeps its
 * place. Nothing is given up for its age: the ledger's limit bounds what waits, and the ring drops what comes after.
 */
export class OtlpClient implements Client {
  readonly #exporter: OtlpExporter;
  readonly #ledger: Ledger;
  readonly #control: Control;
  readonly #events: ClientEvents;
  readonly #backoff = new Backoff();
  readonly #waiting: OutgoingBatch[];
  #inFlight = 0;
  #connected = false;
  #pause: NodeJS.Timeout | undefined;
  /** Until then, by `performance.now()`, the receiver asked not to be called. */
  #throttledUntil = 0;
  #closed = false;

  /** @param batches open ones, in order, to begin with */
  constructor(
    exporter: OtlpExporter,
    batches: readonly OutgoingBatch[],
    ledger: Ledger,
    control: Control,
    events: ClientEvents,
  ) {
    this.#exporter = exporter;
    this.#waiting = [...batches];
    this.#ledger = ledger;
    this.#control = control;
    this.#events = events;
    this.#pump();
  }

  send(batch: OutgoingBatch): void {
    this.#waiting.push(batch);
    this.#pump();
  }

  isBlocked(): boolean {
    return this.#connected && this.#waiting.length > 0;
  }

  isReady(): boolean {
    return this.#pause === undefined && this.#inFlight < IN_FLIGHT_MAX;
  }

  hurry(): void {
    this.#backoff.hurry();
    if (performance.now() < this.#throttledUntil) return;
    this.#resume();
  }

  close(withinMs: number): Promise<void> {
    this.#stop();
    return this.#exporter.close(withinMs);
  }

  destroy(): void {
    this.#stop();
    this.#exporter.destroy();
  }

  /** All that is open: an export under way may have arrived, and plain OTLP does not tell one that arrives twice. */
  held(): Held {
    const batches = this.#ledger.unsettled().map((batch, i) => ({ sequence: i + 1, batch }));
    return { batches, nextSequence: batches.length + 1, highestSent: 0 };
  }

  #stop(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
  }

  #resume(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#pump();
  }

  #pump(): void {
    while (!this.#closed && this.#pause === undefined && this.#inFlight < IN_FLIGHT_MAX) {
      const batch = this.#waiting.shift();
      if (batch === undefined) return;
      this.#inFlight++;
      this.#control.countThread(ThreadCounter.batchesSent);
      this.#control.countThread(ThreadCounter.bytesSent, batch.buffer.length);
      void this.#exporter.export(batch).then(outcome => {
        this.#inFlight--;
        this.#settle(batch, outcome);
        this.#pump();
      });
    }
  }

  #settle(batch: OutgoingBatch, outcome: ExportOutcome): void {
    if (outcome.kind === 'retry') return this.#retry(batch, outcome.reason, outcome.afterMs);
    this.#backoff.reset();
    if (!this.#connected) {
      this.#connected = true;
      this.#events.connected();
    }
    const rejected = outcome.kind === 'refused' ? batch.items : outcome.rejected;
    this.#ledger.settle(batch, rejected);
    if (rejected > 0) this.#events.rejected(outcome.reason);
    this.#events.progress();
  }

  #retry(batch: OutgoingBatch, reason: string, afterMs: number | undefined): void {
    this.#waiting.unshift(batch);
    this.#connected = false;
    this.#control.countThread(ThreadCounter.batchesResent);
    if (this.#closed) return;
    if (afterMs !== undefined) this.#throttledUntil = performance.now() + afterMs;
    // Exports that fail together are one failure.
    if (this.#pause !== undefined) return;
    this.#pause = setTimeout(() => this.#resume(), afterMs ?? this.#backoff.nextMs()).unref();
    this.#events.failed(reason);
  }
}
