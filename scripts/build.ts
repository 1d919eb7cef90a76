// Builds everything that runs: the agent, the collector, and the collector's page.
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { bundle } from './bundle.ts';

const root = resolve(import.meta.dirname, '..');
const page = join(root, 'collector/web/page');

const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-b', 'collector'],
  {
    cwd: root,
    stdio: ['ignore', 2, 2],
  },
);
if (status !== 0) process.exit(status ?? 1);

const declarations = globSync('**/*.ts', { cwd: join(root, 'src') }).map(file => file.replace(/ts$/, 'd.ts'));
const built = new Set([...declarations, ...(await bundle())]);
// What an earlier build has left of sources that are gone.
for (const file of globSync('dist/**/*.{js,cjs,ts,cts}', { cwd: root }))
  if (!built.has(file.slice('dist/'.length))) rmSync(join(root, file));

await build({
  entryPoints: [join(page, 'main.tsx')],
  outdir: join(root, 'collector/dist/web/page'),
  entryNames: '[name]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.svg': 'dataurl' },
  logLevel: 'warning',
});
cpSync(join(page, 'index.html'), join(root, 'collector/dist/web/page/index.html'));
