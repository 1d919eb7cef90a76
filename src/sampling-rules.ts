// The text of TRICORD_TRACES_RULES: patterns with a probability each.

/** Probabilities from 0 to 1, by pattern; of those that fit the first counts. */
export type SamplingRules = Readonly<Record<string, number>>;

export const samplingRulesShape = 'pattern=probability rules, separated by semicolons';

/** Reads `GET /health=0; /checkout/*=1`. @throws Error saying what would be right, and which rule is not */
export function parseSamplingRules(text: string): SamplingRules {
  const items = text.split(';').map(item => item.trim());
  return Object.fromEntries(items.filter(item => item !== '').map(readRule));
}

/** A pattern may have equals signs itself: the last one counts. */
function readRule(item: string): readonly [string, number] {
  const equals = item.lastIndexOf('=');
  const pattern = item.slice(0, Math.max(equals, 0)).trim();
  const number = item.slice(equals + 1).trim();
  const probability = number === '' ? Number.NaN : Number(number);
  if (!isRule(pattern, probability))
    throw new Error(`${samplingRulesShape}, probabilities 0 to 1; ${JSON.stringify(item)} is none`);
  return [pattern, probability];
}

/** Whether a value given in code is a set of rules. */
export function areSamplingRules(value: unknown): value is SamplingRules {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([pattern, probability]) => isRule(pattern, probability));
}

function isRule(pattern: string, probability: unknown): boolean {
  return pattern !== '' && typeof probability === 'number' && probability >= 0 && probability <= 1;
}
