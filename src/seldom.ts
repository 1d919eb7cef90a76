// Loads what most applications do without only when somebody asks for it.
import { createRequire } from 'node:module';
import { extname } from 'node:path';

/** The module `src/<name>`, as this one is: source or built. The caller says its type; built it is a copy of its own. */
export function loadSeldom(name: 'configuration-file' | 'metrics-page' | 'profile/slow-profiler'): unknown {
  return createRequire(import.meta.url)(`./${name}${extname(import.meta.url)}`);
}
