// Installs what the repository needs, once per lock file. Plain JavaScript: it runs on whatever Node npm runs on.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const stamp = join(root, 'node_modules', '.tricord-setup');
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  process.stderr.write('Installing dependencies (once) …\n');
  // npm puts an older `node_modules/.bin` first on the path; the installation must not run on what it replaces.
  const npm = process.env.npm_execpath;
  // Warnings tell that the machine's own Node is older than the one that is about to be installed.
  const ci = ['ci', '--loglevel=error'];
  const [command, args] = npm ? [process.execPath, [npm, ...ci]] : ['npm', ci];
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error || status !== 0) {
    process.stderr.write(
      `Setup failed: "npm ci" ${error ? error.message : `ended with exit code ${status}`}.\n`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
