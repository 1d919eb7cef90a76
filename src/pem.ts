// The contents of the PEM files that options name.
import { readFileSync } from 'node:fs';
import { OptionError } from './errors.ts';
import { printable } from './option-kinds.ts';
import { optionTable } from './options.ts';

/**
 * The contents of a PEM file that an option names; undefined when it names none.
 * @throws OptionError naming the variable, the path and the reason
 */
export function readPem(
  name: 'certificate' | 'clientCertificate' | 'clientKey',
  path: string,
): string | undefined {
  if (path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new OptionError(
      `${optionTable[name].env}: cannot read ${printable(path)}: ${(error as Error).message}`,
    );
  }
}
