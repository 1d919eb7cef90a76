// The shape of a whole configuration file, and what zod finds wrong with it in words that name the place.
import { z } from 'zod';
import { logLevels } from '../log.ts';
import { queueBounds } from '../queue/bounds.ts';
import { suggestion } from '../suggestions.ts';
import type { Problem } from './problem.ts';
import { type ConfigNode, placeOf, plainValue } from './tree.ts';
import { bytes, duration, endpoint, section } from './values.ts';

/** Components by id; each one's settings are checked by its own factory's schema. */
const components = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform(value => value ?? {});
const references = z
  .array(z.string())
  .nullish()
  .transform(value => value ?? []);
const pipeline = section({ receivers: references, processors: references, exporters: references });

const { segment_bytes_min: segmentMin, segment_bytes_max: segmentMax, segments_min: segments } = queueBounds;

const queue = section({
  max_size: bytes
    .refine(size => size >= segments * segmentMin, `the least is ${segments * segmentMin} bytes`)
    .optional(),
  segment_size: bytes
    .refine(size => size >= segmentMin && size <= segmentMax, `it takes ${segmentMin} to ${segmentMax} bytes`)
    .optional(),
  /** 0: none. */
  max_age: duration.default(0),
  when_full: z.enum(['refuse', 'drop_oldest']).default('refuse'),
  fsync: z.enum(['always', 'interval', 'never']).default('always'),
  fsync_interval: duration.refine(time => time >= 1, 'the least is 1ms').optional(),
}).refine(
  ({ max_size = queueBounds.bytes_default, segment_size = 0 }) => segment_size * segments <= max_size,
  { path: ['segment_size'], error: 'a segment is at most a quarter of max_size' },
);

/** Half of it is the memory that a message in pieces begins with. */
const requestsMin = 512 * 1024;

/** `service`: what belongs to the process and to no single component. */
const service = section({
  /** Where the queue lies, and the store unless it has a path of its own. */
  data_dir: z.string().min(1).default('./tricord-data'),
  /** How long a shutdown waits for the exporters to catch up. */
  shutdown_timeout: duration.default(5000),
  pipelines: z
    .record(z.string(), pipeline)
    .nullish()
    .transform(value => value ?? {}),
  queue: queue.prefault({}),
  /** Bytes of all requests between their sockets and the queue; one client gets half of it at most. */
  requests: section({
    max_size: bytes
      .refine(size => size >= requestsMin, `the least is ${requestsMin} bytes`)
      .default(256 * 2 ** 20),
  }).prefault({}),
  telemetry: section({
    logs: section({ level: z.enum(logLevels).default('info') }).prefault({}),
  }).prefault({}),
  web: section({
    endpoint: endpoint.prefault('127.0.0.1:4319'),
    /** Names by which browsers may reach it, beside `localhost`, loopback addresses and the endpoint's own host. */
    allowed_hosts: z
      .array(z.string())
      .nullish()
      .transform(value => value ?? []),
  }).prefault({}),
});

export type ServiceConfig = z.output<typeof service>;

export const configSchema: z.ZodType<{
  readonly receivers: Readonly<Record<string, unknown>>;
  readonly processors: Readonly<Record<string, unknown>>;
  readonly exporters: Readonly<Record<string, unknown>>;
  readonly connectors: Readonly<Record<string, unknown>>;
  readonly service: ServiceConfig;
}> = section({
  receivers: components,
  processors: components,
  exporters: components,
  connectors: components,
  service: service.prefault({}),
});

export type CheckResult<T> = { readonly value: T } | { readonly problems: readonly Problem[] };

/** Checks one subtree; `path` is how it is called in messages, empty for the whole. */
export function check<T>(
  schema: z.ZodType<T>,
  root: ConfigNode,
  path: readonly string[] = [],
): CheckResult<T> {
  const result = schema.safeParse(plainValue(root), { reportInput: true });
  if (result.success) return { value: result.data };
  return { problems: result.error.issues.flatMap(issue => describe(issue, schema, root, path)) };
}

function describe(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  root: ConfigNode,
  prefix: readonly string[],
): Problem[] {
  const at = [...prefix, ...issue.path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path);
    return issue.keys.map(key => ({
      place: placeOf(root, issue.path, key),
      message: `unknown key "${key}"${at === '' ? '' : ` in ${at}`}${suggestion(key, known)}`,
    }));
  }
  return [{ place: placeOf(root, issue.path), message: `${at}: ${reason(issue)}` }];
}

function reason(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value' && typeof issue.input === 'string') {
    return `"${issue.input}" is not allowed here${suggestion(issue.input, issue.values.map(String))}`;
  }
  if (issue.code !== 'invalid_type') return issue.message;
  const expected = words[issue.expected] ?? issue.expected;
  if (issue.input === undefined) return `missing; expected ${expected}`;
  return `expected ${expected}, found ${typeName(issue.input)}`;
}

const words: Readonly<Record<string, string>> = {
  object: 'a map',
  record: 'a map',
  array: 'a list',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

function typeName(value: unknown): string {
  if (value === null) return 'nothing';
  return words[Array.isArray(value) ? 'array' : typeof value] ?? typeof value;
}

/** The keys that the object at this path may have. */
function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let current = unwrap(schema);
  for (const step of path) {
    if (current instanceof z.ZodObject) current = unwrap(current.shape[String(step)]);
    else if (current instanceof z.ZodRecord) current = unwrap(current.valueType);
    else if (current instanceof z.ZodArray) current = unwrap(current.element);
    else return [];
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : [];
}

/** The schema beneath defaults, optionality and transformations. */
function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodPipe)
    return unwrap(schema.in instanceof z.ZodTransform ? schema.out : schema.in);
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrap(schema.unwrap());
  }
  return schema;
}
