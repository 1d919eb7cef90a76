// The OpenTelemetry LoggerProvider over the log path.
import { diag, type LoggerOptions, type LoggerProvider as OtelLoggerProvider } from '@opentelemetry/api';
import type { AttributeLimits } from '../context/attributes.ts';
import { AttributeSlots, defaultAttributeLimits } from '../context/attributes.ts';
import type { Clock } from '../context/clock.ts';
import { processClock } from '../context/clock.ts';
import { FieldLevel, type FieldRules } from '../transport/otlp/field-rules.ts';
import type { AttributeList, Sink } from '../transport/otlp/record.ts';
import { Budget } from './budget.ts';
import type { LogCounters } from './logger.ts';
import { Logger, LogPipeline } from './logger.ts';
import { BudgetedThinning, Thinning } from './thinning.ts';

export interface LoggerProviderOptions {
  /** Where records are written. */
  readonly sink: Sink;
  /** Default: the clock of the process. Its anchor must be the one that the sink's writer adds. */
  readonly clock?: Clock | undefined;
  readonly limits?: Partial<AttributeLimits> | undefined;
  /** What is sent of the attributes of records that are made here; of lines the sink has to know. By default all. */
  readonly fields?: FieldRules | undefined;
  /** Records below WARN that are kept in a second, about; by default all. */
  readonly budget?: number | undefined;
}

export class LoggerProvider implements OtelLoggerProvider {
  readonly #pipeline: LogPipeline;
  readonly #loggers = new Map<number, Logger>();

  constructor(options: LoggerProviderOptions) {
    const { sink, clock = processClock, fields, budget } = options;
    const thinning =
      budget === undefined ? new Thinning(sink) : new BudgetedThinning(sink, new Budget(budget), clock);
    const attributeLimits = { ...defaultAttributeLimits, ...options.limits };
    const level = fields && FieldLevel.of(fields);
    this.#pipeline = new LogPipeline(sink, clock, attributeLimits, thinning, level);
  }

  /** The same logger for the same name, version, schema URL and scope attributes. */
  getLogger(name: string, version?: string, options?: LoggerOptions): Logger {
    const scope = this.#pipeline.sink.scope({
      name: String(name ?? ''),
      version,
      schemaUrl: options?.schemaUrl,
      attributes: this.#scopeAttributes(options?.attributes),
    });
    let logger = this.#loggers.get(scope);
    if (logger === undefined) {
      if (typeof name !== 'string' || name === '')
        diag.warn('A logger has no name: its records are sent without the name of a scope.');
      logger = new Logger(this.#pipeline, scope);
      this.#loggers.set(scope, logger);
    }
    return logger;
  }

  #scopeAttributes(attributes: unknown): AttributeList | undefined {
    if (typeof attributes !== 'object' || attributes === null) return undefined;
    const slots = new AttributeSlots();
    slots.setAll(attributes, this.#pipeline.limits, this.#pipeline.counters);
    return slots;
  }

  /** What is emitted from now on reaches nobody; loggers say that they are not enabled. */
  shutdown(): void {
    this.#pipeline.isShutDown = true;
  }

  /** What happened to log records since the start. */
  get counters(): Readonly<LogCounters> {
    return this.#pipeline.counters;
  }
}
