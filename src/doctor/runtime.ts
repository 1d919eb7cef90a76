// Judges Node.js, and whether the agent is loaded before the application.
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearestPackage } from '../context/resource.ts';
import { isSupportedNode, NODE_MIN } from '../instrument/node-version.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import type { Invocation, Preload } from './invocation.ts';

export function judgeNode(version: string): Finding {
  const least = `${NODE_MIN.major}.${NODE_MIN.minor}`;
  return isSupportedNode(version)
    ? ok('runtime', 'node', `Node.js ${version} is supported`)
    : problem(
        'runtime',
        'node',
        `Node.js ${version} is older than ${least}`,
        `run Node.js ${least} or later`,
      );
}

const PRELOAD =
  'start it with `node --require tricord/register app.js`, or set NODE_OPTIONS="--require tricord/register"';

/**
 * @param folder from where specifiers are resolved
 * @param source the application's own text, which may start the agent itself; undefined without an application
 */
export function judgePreload(invocation: Invocation, folder: string, source: string | undefined): Finding[] {
  const { preloads } = invocation;
  const at = preloads.findIndex(({ specifier }) => isRegister(specifier, folder));
  const unread = invocation.unread.map(line =>
    problem('runtime', 'env-file', `a file of variables cannot be read: ${line}`, 'Node.js would not start'),
  );
  if (at >= 0) return [...unread, ...judgeRegister(preloads, at, folder)];
  if (source === undefined) {
    const text =
      'NODE_OPTIONS does not load tricord/register; name the application to see how it would start';
    return [...unread, ok('runtime', 'register', text)];
  }
  if (/\btricord\b/.test(source) && /\bstart\s*\(/.test(source)) {
    const text =
      'the application starts the agent itself: nothing is instrumented without a change to its code';
    return [...unread, warning('runtime', 'register', text, PRELOAD)];
  }
  return [
    ...unread,
    problem('runtime', 'register', 'tricord/register is not loaded before the application', PRELOAD),
  ];
}

function judgeRegister(preloads: readonly Preload[], at: number, folder: string): Finding[] {
  const { flag, specifier, source } = preloads[at]!;
  if (resolved(specifier, folder) === undefined) {
    const text = `${specifier} cannot be found from ${folder}`;
    return [
      problem('runtime', 'register', text, 'install tricord there, or give the path of dist/register.js'),
    ];
  }
  const before = preloads.slice(0, at).map(preload => preload.specifier);
  const found = ok('runtime', 'register', `tricord/register is loaded by ${flag} of ${source}`);
  if (before.length === 0) return [found];
  const text = `${before.join(', ')} is loaded before the agent, with all that it loads`;
  return [found, warning('runtime', 'order', text, 'let --require tricord/register come first')];
}

function isRegister(specifier: string, folder: string): boolean {
  if (specifier === 'tricord/register') return true;
  const file = resolved(specifier, folder);
  if (file === undefined || !/^register\.(js|cjs|ts)$/.test(basename(file))) return false;
  return nearestPackage(dirname(file))?.name === 'tricord';
}

/** The file of a preloaded module; undefined where there is none. */
function resolved(specifier: string, folder: string): string | undefined {
  try {
    if (specifier.startsWith('file:')) return realpathSync(fileURLToPath(specifier));
    return realpathSync(createRequire(join(folder, 'index.js')).resolve(specifier));
  } catch {
    return undefined;
  }
}
