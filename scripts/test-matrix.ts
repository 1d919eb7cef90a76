// Builds, and runs the agent's tests on the oldest Node.js that is supported and on the later ones, each installed once.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const versions = ['22.15.0', '24', '26'];
const tests = [
  'test/*.test.ts',
  'test/{context,trace,metrics,log,profile,transport,instrument,register,doctor}/**/*.test.ts',
];
/** They look at the repository as a whole, whatever Node runs them. */
const once = ['test/build.test.ts', 'test/tidy.test.ts', 'test/lock-file.test.ts'];

const root = resolve(import.meta.dirname, '..');
const cache = join(root, 'node_modules/.cache/test-matrix');
const tree = join(cache, 'tree');

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function build(): void {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], { stdio: 'inherit' });
  if (status !== 0) fail('— the build failed');
}

/** The path of a Node.js of this version; installed from npm unless it is there. */
function install(version: string): string {
  const folder = join(cache, `node-${version}`);
  const path = join(folder, 'node_modules/node/bin/node');
  if (existsSync(path)) return path;
  process.stderr.write(`Installing Node.js ${version} (once) …\n`);
  mkdirSync(folder, { recursive: true });
  // npm 12 runs only the install scripts that the package allows; this one fetches the binary for the platform.
  const manifest = { private: true, allowScripts: { node: true }, dependencies: { node: version } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const npm = process.env.npm_execpath;
  const args = ['install', '--no-audit', '--no-fund', '--prefix', folder];
  const [command, all] = npm ? [process.execPath, [npm, ...args]] : ['npm', args];
  const { status, error } = spawnSync(command, all, { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0 || !existsSync(path)) {
    fail(
      `Node.js ${version} could not be installed: npm ${error?.message ?? `ended with exit code ${status}`}.`,
    );
  }
  return path;
}

/**
 * Agent and tests as JavaScript, which is what Node.js 22.15 runs without a flag: each type is replaced by blanks, so that
 * lines stay what they are, and each name of a `.ts` file by that of its `.js` file.
 */
function writeTree(): void {
  rmSync(tree, { recursive: true, force: true });
  const renamed = (text: string): string => text.replaceAll(/\.ts(?=['"`])/g, '.js');
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  for (const path of globSync(['{src,test,scripts}/**/*.ts'], { cwd: root })) {
    const text = stripTypeScriptTypes(readFileSync(join(root, path), 'utf8'));
    write(path.replace(/\.ts$/, '.js'), renamed(text));
  }
  write('package.json', renamed(readFileSync(join(root, 'package.json'), 'utf8')));
  const pages = ['options', 'opentelemetry', 'exit-matrix', 'instrumentation'].map(name => `docs/${name}.md`);
  const others = ['dist', 'test/register/apps', 'test/profile/slow-app.cjs', 'test/profile/profiles.proto'];
  for (const path of [...others, ...pages]) cpSync(join(root, path), join(tree, path), { recursive: true });
}

function runTests(node: string): boolean {
  const files = globSync(tests, { cwd: root, exclude: once }).map(path => path.replace(/\.ts$/, '.js'));
  const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning'];
  const args = [...flags, '--test', '--test-concurrency=2', '--test-reporter=dot', ...files.sort()];
  return spawnSync(node, args, { cwd: tree, stdio: 'inherit' }).status === 0;
}

build();
writeTree();
const failed = versions.filter(version => {
  const node = install(version);
  process.stderr.write(`— Node.js ${version}\n`);
  return !runTests(node);
});
if (failed.length > 0) fail(`— failed on Node.js ${failed.join(', ')}`);
