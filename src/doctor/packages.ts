// The packages that an application can load: found in the node_modules folders above its file, as Node.js looks for them.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface InstalledPackage {
  readonly name: string;
  /** The name of its folder, where it is installed under another. */
  readonly alias: string;
  readonly version: string;
  readonly folder: string;
}

interface Manifest {
  readonly name?: unknown;
  readonly version?: unknown;
  readonly dependencies?: unknown;
  readonly optionalDependencies?: unknown;
}

/** The package that `require(name)` in a file of this folder would find; undefined when there is none. */
export function findPackage(name: string, folder: string): InstalledPackage | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const found = join(at, 'node_modules', name);
    const manifest = readManifest(found);
    if (manifest !== undefined) {
      const { name: own, version } = manifest;
      return { name: String(own ?? name), alias: name, version: String(version ?? '?'), folder: found };
    }
    if (at === dirname(at)) return undefined;
  }
}

/** The names that the nearest package.json above a folder depends on, and where that is. */
export function dependenciesOf(folder: string): {
  readonly names: readonly string[];
  readonly manifest?: string;
} {
  for (let at = folder; ; at = dirname(at)) {
    const manifest = readManifest(at);
    if (manifest !== undefined) {
      const names = [manifest.dependencies, manifest.optionalDependencies].flatMap(each =>
        Object.keys((each ?? {}) as object),
      );
      return { names, manifest: join(at, 'package.json') };
    }
    if (at === dirname(at)) return { names: [] };
  }
}

/** The nearest package.json above a folder that has a name, which is the one that the service takes its name from. */
export function namedManifest(folder: string): { readonly name: string; readonly file: string } | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const name = readManifest(at)?.name;
    if (typeof name === 'string') return { name, file: join(at, 'package.json') };
    if (at === dirname(at)) return undefined;
  }
}

function readManifest(folder: string): Manifest | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return typeof manifest === 'object' && manifest !== null ? manifest : undefined;
  } catch {
    return undefined;
  }
}
