// Literals that PromQL and LogQL share: durations and quoted strings.
import { QueryError } from './ast.ts';

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

/** Milliseconds of a duration such as `1h30m` or `1.5s`. @throws QueryError naming the text */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w|y)/g)];
  if (parts.length === 0 || parts.map(part => part[0]).join('') !== text)
    throw new QueryError(`"${text}" is not a duration`);
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * unitMs[unit!]!, 0);
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** The text of a quoted literal: Go's escapes between quotes, nothing special between backticks. @throws QueryError */
export function unquote(literal: string): string {
  const body = literal.slice(1, -1);
  if (literal.startsWith('`')) return body;
  return body.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gs,
    (whole, code: string) => {
      const plain = escapes[code];
      if (plain !== undefined) return plain;
      const point = /^[0-7]{3}$/.test(code)
        ? Number.parseInt(code, 8)
        : /^[xuU]/.test(code)
          ? Number.parseInt(code.slice(1), 16)
          : -1;
      if (point < 0 || point > 0x10ffff) throw new QueryError(`invalid escape ${whole} in ${literal}`);
      return String.fromCodePoint(point);
    },
  );
}
