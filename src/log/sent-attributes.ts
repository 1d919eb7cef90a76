// Sets what is sent of a record's attributes, where fields are left out, replaced or listed.
import type { LogRecord } from '@opentelemetry/api';
import {
  type AttributeLimits,
  AttributeSlots,
  setException,
  type ValueCounters,
} from '../context/attributes.ts';
import { type FieldLevel, NOTHING, sentOf, Verdict } from '../transport/otlp/field-rules.ts';

/** The attributes of the record's exception and its own, as far as `fields` lets them through. Never throws. */
export function setSent(
  slots: AttributeSlots,
  { exception, attributes }: LogRecord,
  fields: FieldLevel,
  bounds: AttributeLimits,
  counters: ValueCounters,
): void {
  const set = (from: object): void => setMembers(slots, from, fields, bounds, counters);
  if (exception !== undefined && exception !== null) {
    const own = new AttributeSlots();
    setException(own, exception, bounds, counters);
    set(Object.fromEntries(own.keys.map((key, i) => [key, own.values[i]])));
  }
  if (typeof attributes === 'object' && attributes !== null) set(attributes);
}

/** A member that throws costs itself only. */
function setMembers(
  slots: AttributeSlots,
  from: object,
  fields: FieldLevel,
  bounds: AttributeLimits,
  counters: ValueCounters,
): void {
  try {
    for (const key of Object.keys(from)) {
      const level = fields.at(key);
      if (level.verdict === Verdict.drop) continue;
      let value: unknown;
      try {
        value = sentOf((from as Record<string, unknown>)[key], level);
      } catch {
        counters.rejected++;
        slots.dropped++;
        continue;
      }
      if (value !== NOTHING) slots.set(key, value, bounds, counters);
    }
  } catch {
    counters.rejected++;
  }
}
