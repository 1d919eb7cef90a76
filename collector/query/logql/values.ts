// Numbers as log lines write them: sizes and durations with units.
import { parseDuration } from '../promql/literals.ts';

const sizes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1000,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  ki: 1024,
  kib: 1024,
  mi: 1024 ** 2,
  mib: 1024 ** 2,
  gi: 1024 ** 3,
  gib: 1024 ** 3,
  ti: 1024 ** 4,
  tib: 1024 ** 4,
};

/** Bytes of a size such as `10KB` or `1.5 MiB`; NaN for what is none. */
export function parseSize(text: string): number {
  const match = /^([\d.]+)\s*([a-z]*)$/i.exec(text.trim());
  return match === null ? Number.NaN : Number(match[1]) * (sizes[match[2]!.toLowerCase()] ?? Number.NaN);
}

/** Seconds of a duration such as `1m30s`; NaN for what is none. */
export function parseSeconds(text: string): number {
  try {
    return parseDuration(text.trim()) / 1000;
  } catch {
    return Number.NaN;
  }
}
