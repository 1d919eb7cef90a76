// What must be there before anything is measured: the peers, installed once per lock file, and our own build.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = import.meta.dirname;
const root = resolve(folder, '..');

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** The peers are no part of the workspace: whoever only builds or tests does not need them. */
export function install(): void {
  const stamp = join(folder, 'node_modules', '.tricord-bench');
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stderr.write('Installing the peers (once) …\n');
  const npm = process.env.npm_execpath;
  const ci = ['ci', '--prefix', folder, '--loglevel=error'];
  const [command, args] = npm ? [process.execPath, [npm, ...ci]] : ['npm', ci];
  const { status, error } = spawnSync(command, args, { cwd: folder, stdio: ['ignore', 2, 2] });
  if (error || status !== 0)
    fail(`"npm ci" of the peers ${error ? `failed: ${error.message}` : `ended with exit code ${status}`}.`);
  writeFileSync(stamp, lock);
}

export function build(): void {
  const script = join(root, 'scripts/build.ts');
  const { status } = spawnSync(process.execPath, [script], { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail('The build failed; the messages above say where.');
}
