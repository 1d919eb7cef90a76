// The context that a measurement is made under.
import type { Context } from '@opentelemetry/api';
import { ObservabilityContext } from '../context/observability-context.ts';

/** The given context, or the active one: to look for that one takes as long as to look up an attribute. */
export function measuredUnder(context: Context | undefined): ObservabilityContext {
  return context === undefined ? ObservabilityContext.active() : ObservabilityContext.from(context);
}
