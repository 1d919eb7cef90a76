// Runs the checks and every test, or the test files named on the command line.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const named = process.argv.slice(2);

function run(title: string, script: string, args: readonly string[]): void {
  process.stderr.write(`— ${title}\n`);
  const { status, signal } = spawnSync(process.execPath, [script, ...args].filter(Boolean), {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) {
    process.stderr.write(`— ${title} failed (${signal ?? `exit code ${status}`})\n`);
    process.exit(status ?? 1);
  }
}

const bin = (name: string): string => resolve(root, 'node_modules', name);

run('build', 'scripts/build.ts', []);
if (named.length === 0) {
  run('types', bin('typescript/bin/tsc'), ['-p', 'tsconfig.check.json']);
  run('types of the page', bin('typescript/bin/tsc'), ['-p', 'collector/web/page']);
  run('lint', bin('@biomejs/biome/bin/biome'), ['check', '--error-on-warnings', '.']);
  run('unused code', bin('knip/bin/knip.js'), []);
  run('package', bin('publint/src/cli.js'), ['--strict']);
  run('types of the package', bin('@arethetypeswrong/cli/dist/index.js'), [
    '--pack',
    '.',
    '--profile',
    'esm-only',
    '--quiet',
  ]);
}
const files = named.length > 0 ? named : globSync('test/**/*.test.ts', { cwd: root }).sort();
run('tests', '--conditions=source', [
  '--disable-warning=ExperimentalWarning',
  '--test',
  '--test-concurrency=2',
  ...files,
]);
