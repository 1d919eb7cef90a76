// Gets at packages that an application imports as ES modules, of which `require.cache` knows nothing.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** The parts of `package.json` that are looked at. */
interface Manifest {
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: object;
  readonly devDependencies?: object;
  readonly optionalDependencies?: object;
  readonly peerDependencies?: object;
}

const require = createRequire(import.meta.url);

/**
 * The ES module of a package that the application's main module would import, as `import 'package/subpath'` gives it, loaded
 * now if it is not yet: therefore it should be a small one. Undefined when no `package.json` above the main module names the
 * package, which costs a look into each folder on the way.
 *
 * Why so: hooks of the loader are asked about every module of the application, whereas this asks about one package once.
 */
export function requireDependency(packageName: string, subpath: string): object | undefined {
  const folders = foldersAbove(mainModule());
  const home = folders.find(folder => existsSync(join(folder, 'node_modules', packageName)));
  if (home === undefined || !folders.some(folder => names(folder, packageName))) return undefined;
  const root = join(home, 'node_modules', packageName);
  const file = importTarget(readManifest(root).exports?.[subpath]);
  return file === undefined ? undefined : (require(join(root, file)) as object);
}

/** The file that Node runs, where it truly is, or is asked for without its extension; in the working directory if it runs none. */
function mainModule(): string {
  const main = resolve(process.argv[1] ?? '[eval]');
  return existsSync(main) ? realpathSync(main) : main;
}

/** The folder of the file, the one that this is in, and so on. */
function foldersAbove(file: string): string[] {
  const folders: string[] = [];
  for (let folder = dirname(file); folder !== folders.at(-1); folder = dirname(folder)) folders.push(folder);
  return folders;
}

function names(folder: string, packageName: string): boolean {
  if (!existsSync(join(folder, 'package.json'))) return false;
  const { dependencies, devDependencies, optionalDependencies, peerDependencies } = readManifest(folder);
  const all = { ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies };
  return Object.hasOwn(all, packageName);
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** The file of an entry of `exports` for `import`. */
function importTarget(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry;
  if (typeof entry !== 'object' || entry === null) return undefined;
  const conditions = entry as { import?: unknown; default?: unknown };
  return importTarget(conditions.import ?? conditions.default);
}
