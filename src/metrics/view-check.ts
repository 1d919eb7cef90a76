// Whether a view given in code can be used; if not, what would be right.
import { OptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { areBounds, boundsShape, instrumentKinds } from './descriptor.ts';

/** What a property takes: whether a value will do, and what would, in words. */
interface Shape {
  readonly accepts: (value: unknown) => boolean;
  readonly says: string;
}

type Shapes = Readonly<Record<string, Shape>>;

const text: Shape = { accepts: value => typeof value === 'string', says: 'text' };
const flag: Shape = { accepts: value => typeof value === 'boolean', says: 'true or false' };
const object: Shape = { accepts: isObject, says: 'an object' };
const texts: Shape = {
  accepts: value => Array.isArray(value) && value.every(text.accepts),
  says: 'a list of texts',
};

function oneOf(choices: readonly string[]): Shape {
  return { accepts: value => choices.includes(value as string), says: `one of ${choices.join(', ')}` };
}

function whole(min: number, max: number): Shape {
  const accepts = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  return { accepts, says: `a whole number from ${min} to ${max}` };
}

const CARDINALITY_MAX = 1_000_000;

const viewShapes: Shapes = { selector: object, stream: object };
const selectorShapes: Shapes = {
  instrumentName: text,
  instrumentType: oneOf(instrumentKinds),
  unit: text,
  meterName: text,
  meterVersion: text,
  meterSchemaUrl: text,
};
const streamShapes: Shapes = {
  name: text,
  description: text,
  attributeKeys: object,
  aggregation: object,
  cardinalityLimit: whole(1, CARDINALITY_MAX),
};
const keyShapes: Shapes = { included: texts, excluded: texts };

/** The properties of each aggregation beside its type. */
const aggregationShapes: Readonly<Record<string, Shapes>> = {
  default: {},
  drop: {},
  sum: {},
  last_value: {},
  explicit_bucket_histogram: {
    boundaries: { accepts: areBounds, says: boundsShape },
    recordMinMax: flag,
  },
  base2_exponential_bucket_histogram: {
    maxSize: whole(2, limits.histogram_buckets_max),
    maxScale: whole(-10, 20),
    recordMinMax: flag,
  },
};
const aggregationType = oneOf(Object.keys(aggregationShapes));

/** @throws OptionError naming the place in `view`, which is at `path` */
export function checkView(view: unknown, path: string): void {
  const { selector, stream } = checked(view, path, viewShapes);
  const criteria = checked(selector, `${path}.selector`, selectorShapes);
  if (Object.values(criteria).every(value => value === undefined))
    throw new OptionError(`${path}.selector selects nothing; instrumentName: "*" is all instruments.`);
  if (stream !== undefined) checkStream(stream, `${path}.stream`, criteria.instrumentName as string);
}

function checkStream(stream: unknown, path: string, instrumentName: string | undefined): void {
  const { name, attributeKeys, aggregation } = checked(stream, path, streamShapes);
  if (name !== undefined && /[*?]|^$/.test(instrumentName ?? ''))
    throw new OptionError(
      `${path}.name needs a selector.instrumentName without wildcards: one metric a name.`,
    );
  if (attributeKeys !== undefined) checkKeys(attributeKeys, `${path}.attributeKeys`);
  if (aggregation !== undefined) checkAggregation(aggregation, `${path}.aggregation`);
}

function checkKeys(keys: unknown, path: string): void {
  const { included, excluded } = checked(keys, path, keyShapes);
  const both = (included as string[] | undefined)?.find(key =>
    (excluded as string[] | undefined)?.includes(key),
  );
  if (both !== undefined)
    throw new OptionError(`${path} both includes and excludes ${JSON.stringify(both)}.`);
}

function checkAggregation(aggregation: unknown, path: string): void {
  const { type } = aggregation as { type?: unknown };
  if (!aggregationType.accepts(type)) throw refused(`${path}.type`, type, aggregationType);
  checked(aggregation, path, { type: aggregationType, ...aggregationShapes[type as string] });
}

/** The value as an object that has only properties of these shapes. */
function checked(value: unknown, path: string, shapes: Shapes): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw refused(path, value, object);
  for (const [key, each] of Object.entries(value)) {
    const shape = Object.hasOwn(shapes, key) ? shapes[key] : undefined;
    if (shape === undefined)
      throw new OptionError(`Unknown ${path}.${key}: there are ${Object.keys(shapes).join(', ')}.`);
    if (each !== undefined && !shape.accepts(each)) throw refused(`${path}.${key}`, each, shape);
  }
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(path: string, value: unknown, { says }: Shape): OptionError {
  const shown = (JSON.stringify(value) ?? String(value)).slice(0, 200);
  return new OptionError(`${path} is ${shown}; it takes ${says}.`);
}
