// Says which attributes have more values than a metric may have series.
import { diag } from '@opentelemetry/api';
import type { CleanValue } from '../context/attributes.ts';
import type { AttributeList } from '../transport/otlp/record.ts';
import { valueKey } from './series-key.ts';

/** Series that are looked at: the newest, which are like those that no longer fit. */
const SERIES_MAX = 2000;
const KEYS_NAMED = 3;

/** @param sets the attributes of the series that there are */
export function warnOfOverflow(name: string, cardinalityLimit: number, sets: readonly AttributeList[]): void {
  const looked = sets.slice(-SERIES_MAX);
  const keys = mostDiverse(looked).map(([key, values]) => `${JSON.stringify(key)} (${values})`);
  diag.warn(
    `The metric "${name}" has ${cardinalityLimit} series, as many as it may: others are added up under otel.metric.overflow. ` +
      `The attributes with the most values among ${looked.length} of them: ${keys.join(', ')}. ` +
      'A view can leave them out (stream.attributeKeys) or allow more series (stream.cardinalityLimit).',
  );
}

/** The keys with the most distinct values, and how many these are. */
function mostDiverse(sets: readonly AttributeList[]): [key: string, values: number][] {
  const seen = new Map<string, Set<string>>();
  for (const { keys, values, count } of sets) {
    for (let i = 0; i < count; i++) {
      const known = seen.get(keys[i]!) ?? new Set();
      seen.set(keys[i]!, known.add(valueKey(values[i] as CleanValue)));
    }
  }
  const sizes = [...seen].map(([key, values]): [string, number] => [key, values.size]);
  return sizes.sort(([, a], [, b]) => b - a).slice(0, KEYS_NAMED);
}
