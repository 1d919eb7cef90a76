// Parsers of log lines: JSON and logfmt become labels.
import type { Extraction } from './ast.ts';

export type AddLabel = (name: string, value: string) => void;

const DEPTH_MAX = 32;

/** A label name from any key: what may not stand in one becomes `_`. */
function labelName(key: string): string {
  const name = key.replace(/[^a-zA-Z0-9_]/g, '_');
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

/** Every value of a JSON object as a label, nested keys joined by `_`, arrays left out. False when the line is no JSON object. */
export function jsonLabels(line: string, add: AddLabel): boolean {
  const value = parseObject(line);
  if (value === undefined) return false;
  flatten(value, '', add, 0);
  return true;
}

function parseObject(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function flatten(value: object, prefix: string, add: AddLabel, depth: number): void {
  for (const [key, inner] of Object.entries(value)) {
    const name = prefix === '' ? labelName(key) : `${prefix}_${labelName(key)}`;
    if (inner === null || Array.isArray(inner)) continue;
    if (typeof inner !== 'object') add(name, String(inner));
    else if (depth < DEPTH_MAX) flatten(inner, name, add, depth + 1);
  }
}

/** The named values of a JSON object. False when the line is no JSON object. */
export function jsonExtracts(line: string, extractions: readonly Extraction[], add: AddLabel): boolean {
  const value = parseObject(line);
  if (value === undefined) return false;
  for (const { label, path } of extractions) {
    const found = path.reduce<unknown>(
      (at, key) => (isObject(at) && Object.hasOwn(at, key) ? at[key] : undefined),
      value,
    );
    if (found !== undefined && found !== null)
      add(label, typeof found === 'object' ? JSON.stringify(found) : String(found));
  }
  return true;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** The `key=value` and `key="quoted value"` pairs of a line, in one pass: each character is looked at a few times. */
export function logfmtLabels(line: string, add: AddLabel): boolean {
  const token = /[^\s=]+|=/g;
  for (let found = token.exec(line); found !== null; found = token.exec(line)) {
    const key = found[0];
    if (key === '=' || line[token.lastIndex] !== '=') continue;
    const begin = token.lastIndex + 1;
    const quoted = line[begin] === '"' ? closingQuote(line, begin + 1) : -1;
    const end = quoted < 0 ? nextSpace(line, begin) : quoted + 1;
    const value = line.slice(begin, end);
    add(labelName(key), quoted < 0 ? value : value.slice(1, -1).replace(/\\(.)/gs, '$1'));
    token.lastIndex = end;
  }
  return true;
}

/** The next quote that no backslash stands before; -1 when there is none. */
function closingQuote(line: string, from: number): number {
  for (let i = from; i < line.length; i++) {
    if (line[i] === '\\') i++;
    else if (line[i] === '"') return i;
  }
  return -1;
}

function nextSpace(line: string, from: number): number {
  const space = /\s/g;
  space.lastIndex = from;
  return space.exec(line)?.index ?? line.length;
}
