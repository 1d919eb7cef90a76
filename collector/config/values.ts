// The scalar shapes that several components share: endpoints, durations, sizes.
import { z } from 'zod';

/** Where to listen or connect. */
export interface Endpoint {
  /** Without brackets; empty never. */
  readonly host: string;
  readonly port: number;
}

const ENDPOINT = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/;

/** `host:port` or `[v6]:port`; port 0 lets the system choose. */
export const endpoint: z.ZodType<Endpoint, unknown> = z.string().transform((text, context) => {
  const match = ENDPOINT.exec(text);
  const port = Number(match?.[3]);
  if (match !== null && port <= 65_535) return { host: match[1] ?? match[2]!, port };
  context.addIssue({
    code: 'custom',
    message: `"${text}" is no endpoint; write host:port, as in 127.0.0.1:4317`,
  });
  return z.NEVER;
});

/** `host:port` as it stands in a URL and in messages. */
export function endpointText({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A duration such as `500ms`, `1m30s`, `7d` or `0`, in milliseconds. */
export const duration: z.ZodType<number, unknown> = z
  .union([z.string(), z.number()], { error: 'expected a duration, as in 5s or 1m30s' })
  .transform((value, context) => {
    const text = String(value);
    if (/^(?:0|(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h|d))+)$/.test(text)) {
      let total = 0;
      for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)/g)) {
        total += Number(amount) * UNIT_MS[unit!]!;
      }
      return total;
    }
    context.addIssue({
      code: 'custom',
      message: `"${text}" is no duration; write a number with a unit, as in 5s or 1m30s`,
    });
    return z.NEVER;
  });

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** A size such as `64MiB` or `1500000`, in bytes. */
export const bytes: z.ZodType<number, unknown> = z
  .union([z.string(), z.number()], { error: 'expected a size, as in 64MiB' })
  .transform((value, context) => {
    const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(value));
    const factor = UNIT_BYTES[match?.[2]?.toLowerCase() ?? '?'];
    if (match !== null && factor !== undefined) return Math.floor(Number(match[1]) * factor);
    context.addIssue({
      code: 'custom',
      message: `"${value}" is no size; write bytes or a number with a unit, as in 64MiB`,
    });
    return z.NEVER;
  });

/** `value` where the key is there but has none (`grpc:`) means "with all defaults". */
export function section<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
): z.ZodType<z.output<z.ZodObject<Shape, z.core.$strict>>, unknown> {
  return z.preprocess(value => value ?? {}, z.strictObject(shape));
}
