// Packages that tests use where they are installed: what `npm ci` would have to compile, or cannot have beside others.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const folder = process.env.TEST_PACKAGES;

/** What the package exports, from the `node_modules` of the folder TEST_PACKAGES; undefined where it is not there. */
export function optionalPackage<Exports>(name: string): Exports | undefined {
  if (folder === undefined) return undefined;
  const require = createRequire(join(folder, 'package.json'));
  try {
    require.resolve(name);
  } catch {
    return undefined;
  }
  return require(name) as Exports;
}
