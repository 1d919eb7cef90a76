// `${env:NAME}` and `${env:NAME:-default}` in configuration values.
import { suggestion } from '../suggestions.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Interpolated {
  readonly text: string;
  /** The text was one reference and nothing else. */
  readonly whole: boolean;
  readonly problems: readonly string[];
}

const REFERENCE = /\$\$|\$\{([^}]*)\}/g;
const VARIABLE = /^env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** Replaces every reference; `$$` stands for one `$`. */
export function interpolate(source: string, environment: Environment): Interpolated {
  const problems: string[] = [];
  const text = source.replace(REFERENCE, (reference, inner: string | undefined) => {
    if (inner === undefined) return '$';
    const variable = VARIABLE.exec(inner);
    if (variable === null) {
      problems.push(
        `${reference} is no reference; write \${env:NAME} or \${env:NAME:-default}, or $$ for a plain $`,
      );
      return '';
    }
    const [, name = '', fallback] = variable;
    const value = environment[name];
    if (value !== undefined && (value !== '' || fallback === undefined)) return value;
    if (fallback === undefined) {
      const near = suggestion(
        name,
        Object.keys(environment).filter(known => known.length > 2),
      );
      problems.push(`environment variable ${name} is not set${near.startsWith('; did') ? near : ''}`);
    }
    return fallback ?? '';
  });
  return { text, whole: /^\$\{[^}]*\}$/.test(source), problems };
}
