// Bundles an application with webpack for Node.js, as CommonJS.
import { basename, dirname, extname } from 'node:path';
import webpack, { type Configuration } from 'webpack';

export type Mode = NonNullable<Configuration['mode']>;

/**
 * Writes the bundle beside the entry.
 * @param external packages that stay outside, and are required at run time
 * @returns the path of the bundle
 */
export async function webpackBundle(
  entry: string,
  mode: Mode,
  external: readonly string[],
  folders: readonly string[],
): Promise<string> {
  const [path, filename] = [dirname(entry), `${basename(entry, extname(entry))}.${mode}.cjs`];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  webpack(
    {
      ...{ mode, entry, target: 'node' },
      output: { path, filename },
      resolve: { modules: [...folders] },
      externals: Object.fromEntries(external.map(name => [name, `commonjs ${name}`])),
      // Express and others require by names that only they know.
      ignoreWarnings: [/the request of a dependency is an expression/],
    },
    (error, stats) => {
      if (error) reject(error);
      else if (stats!.hasErrors()) reject(new Error(stats!.toString('errors-only')));
      else resolve();
    },
  );
  await promise;
  return `${path}/${filename}`;
}
