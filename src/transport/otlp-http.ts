// One OTLP/HTTP export as protobuf: the request, and what its response means by the specification's retry rules.
import type { Agent, IncomingMessage } from 'node:http';
import { limits } from '../limits.ts';
import { type EndpointOptions, parseEndpoint, tlsOptions } from './endpoint.ts';
import { HEADROOM_BYTES, type OutgoingRequest } from './ledger.ts';
import { PROFILES, Signal } from './otlp/record.ts';
import { type ExportOutcome, readRetryAfterMs, readSuccess } from './otlp/response.ts';

const PATHS: Readonly<Record<OutgoingRequest['signal'], string>> = {
  [Signal.traces]: 'v1/traces',
  [Signal.metrics]: 'v1/metrics',
  [Signal.logs]: 'v1/logs',
  [PROFILES]: 'v1development/profiles',
};

/** Statuses after which the same request may be sent again (OTLP 1.11, "OTLP/HTTP response"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export class OtlpHttpExporter {
  readonly #options: EndpointOptions;
  readonly #base: URL;
  readonly #module: Pick<typeof import('node:http'), 'Agent' | 'request'>;
  readonly #agent: Agent;

  /** @throws OptionError for an endpoint that is none */
  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#base = parseEndpoint(options);
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/';
    const secure = this.#base.protocol === 'https:';
    // To import node:http as a module would read all that it exports, and so load the whole of undici.
    this.#module = secure ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http');
    this.#agent = new this.#module.Agent({ keepAlive: true, ...tlsOptions(options) });
  }

  /** Never rejects. */
  export(batch: OutgoingRequest): Promise<ExportOutcome> {
    const { promise, resolve } = Promise.withResolvers<ExportOutcome>();
    const fail = (reason: string): void => resolve({ kind: 'retry', afterMs: undefined, reason });
    const payload = batch.buffer.subarray(HEADROOM_BYTES);
    const request = this.#module.request(new URL(PATHS[batch.signal], this.#base), {
      method: 'POST',
      agent: this.#agent,
      headers: {
        ...this.#options.headers,
        'content-type': 'application/x-protobuf',
        'content-length': payload.length,
        ...(batch.unpackedBytes !== undefined && { 'content-encoding': 'gzip' }),
        'user-agent': 'tricord',
      },
    });
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within ${this.#options.timeoutMs} ms`)),
      this.#options.timeoutMs,
    ).unref();
    request.on('socket', socket => socket.unref());
    request.on('error', error => fail(`the export failed: ${error.message}`));
    request.on('response', response => this.#read(response, resolve, fail));
    request.on('close', () => {
      clearTimeout(timer);
      fail('the export was cut off');
    });
    request.end(payload);
    return promise;
  }

  /** Nothing has an end in order here. */
  async close(): Promise<void> {
    this.destroy();
  }

  destroy(): void {
    this.#agent.destroy();
  }

  #read(
    response: IncomingMessage,
    settle: (outcome: ExportOutcome) => void,
    fail: (reason: string) => void,
  ): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limits.response_bytes_max) chunks.push(chunk);
      else response.destroy(new Error(`a response over ${limits.response_bytes_max} bytes`));
    });
    response.on('error', error => fail(error.message));
    response.on('end', () => settle(outcomeOf(response, Buffer.concat(chunks))));
  }
}

function outcomeOf(response: IncomingMessage, body: Buffer): ExportOutcome {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return readSuccess(body);
  const reason = `the export ended with HTTP status ${status}`;
  if (!RETRYABLE.has(status)) return { kind: 'refused', reason };
  return { kind: 'retry', afterMs: readRetryAfterMs(response.headers['retry-after'], Date.now()), reason };
}
