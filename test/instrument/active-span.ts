// The span that an application has active: to run something under one, and to ask which it is.
import { trace } from '@opentelemetry/api';

export const activeSpanId = (): string => trace.getActiveSpan()?.spanContext().spanId ?? 'none';

/** Runs under a span of its own that is never ended, so that it is not among those that are seen; resolves with its ID. */
export function underSpan(run: () => Promise<unknown>): Promise<string> {
  return trace.getTracer('application').startActiveSpan('application', async span => {
    await run();
    return span.spanContext().spanId;
  });
}
