// Finds libraries as the application loads them, from the tracing channel of Node's module loader.
import { createRequire } from 'node:module';
import { listen } from './channel.ts';
import { reportFault } from './fault.ts';

/** Looks at what a module of the package exports; true when it is the package's main one and has been dealt with. */
type Patch = (exports: object) => boolean;

/** What `tracing:module.require:end` tells. */
interface RequireEnd {
  /** What was asked for: a specifier, or the file name when an ES module imports a CommonJS one. */
  readonly id: string;
  readonly result?: unknown;
}

const NODE_MODULES = 'node_modules';
const patches = new Map<string, Patch>();
const done = new WeakSet<object>();

/**
 * Calls `patch` with the exports of the named package, once for every copy that is loaded, however it is loaded: by
 * `require`, or by `import` when the package is CommonJS. Copies that are loaded already come at once.
 *
 * Node publishes both ways of loading on one channel, with the finished exports: no loader hook, no source rewritten, and
 * for every other module the cost is one look at its specifier.
 */
export function onPackageLoad(packageName: string, patch: Patch): void {
  if (patches.size === 0) listen<RequireEnd>('tracing:module.require:end', look);
  patches.set(packageName, patch);
  const { cache } = createRequire(import.meta.url);
  for (const [file, module] of Object.entries(cache)) {
    if (module?.loaded === true && packageOf(file) === packageName) offer(packageName, patch, module.exports);
  }
}

function look({ id, result }: RequireEnd): void {
  const name = packageOf(id);
  const patch = name === '' ? undefined : patches.get(name);
  if (patch !== undefined) offer(name, patch, result);
}

function offer(name: string, patch: Patch, exports: unknown): void {
  if ((typeof exports !== 'object' && typeof exports !== 'function') || exports === null) return;
  if (done.has(exports)) return;
  try {
    if (patch(exports)) done.add(exports);
  } catch (error) {
    done.add(exports);
    reportFault(`the instrumentation of ${name}`, error);
  }
}

/** The package that a specifier or a file name belongs to; empty for relative specifiers and files of no package. */
export function packageOf(id: string): string {
  if (id[0] === '.') return '';
  const at = id.lastIndexOf(NODE_MODULES);
  if (at < 0 && (id[0] === '/' || id.includes(':'))) return '';
  const start = at < 0 ? 0 : at + NODE_MODULES.length + 1;
  let end = separator(id, start);
  if (id[start] === '@') end = separator(id, end + 1);
  return id.slice(start, end);
}

/** Where the path segment ends that begins at `from`. */
function separator(id: string, from: number): number {
  for (let i = from; i < id.length; i++) {
    if (id[i] === '/' || id[i] === '\\') return i;
  }
  return id.length;
}
