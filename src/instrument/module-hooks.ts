// Finds libraries as the application loads them, without a frame in its stack traces or a change to their source.
import nodeModule, { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { reportFault } from './fault.ts';

/** Looks at what a module of the package exports; true when it is the package's main one and has been dealt with. */
type Patch = (exports: object) => boolean;

const NODE_MODULES = 'node_modules';
const { cache } = createRequire(import.meta.url);
const patches = new Map<string, Patch>();
const done = new WeakSet<object>();

/**
 * Calls `patch` with the exports of the named package, once for every copy that is loaded, however it is loaded: by
 * `require`, or by `import` when the package is CommonJS. Copies that are loaded already come at once.
 *
 *     resolve hook: `pino` is asked for ─▶ its file's place in `require.cache` waits for the module
 *     Node puts the module there        ─▶ the module waits for `loaded`
 *     Node sets `module.loaded`         ─▶ patch(module.exports)
 *
 * Why so: a `load` hook breaks `import` of CommonJS on Node 22.15, and subscribers of the channel `module.require` (as
 * wrapped loader functions would) move the place that Node prints for an uncaught exception.
 */
export function onPackageLoad(packageName: string, patch: Patch): void {
  if (patches.size === 0) watchResolution();
  patches.set(packageName, patch);
  for (const [file, module] of Object.entries(cache)) {
    if (module?.loaded === true && packageOf(file) === packageName) offer(packageName, module);
  }
}

function watchResolution(): void {
  // Not imported by name: versions of Node that lack it must be able to load this file, and be told that they are too old.
  nodeModule.registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context);
      const name = packageOf(specifier);
      if (name !== '' && patches.has(name)) waitFor(name, resolved.url);
      return resolved;
    },
  });
}

/** The package that a specifier or a file name belongs to; empty for relative specifiers and files of no package. */
function packageOf(id: string): string {
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

/** Waits for the module at the URL. What is only resolved, or is an ES module, never comes, and nothing is seen of this. */
function waitFor(name: string, url: string): void {
  try {
    if (!url.startsWith('file:')) return;
    const file = fileURLToPath(url);
    const module = cache[file];
    if (module?.loaded === true) offer(name, module);
    else if (module === undefined) {
      whenSet<NodeJS.Module>(cache, file, added =>
        whenSet<boolean>(added, 'loaded', () => offer(name, added)),
      );
    }
  } catch (error) {
    reportFault(`the instrumentation of ${name}`, error);
  }
}

/** Calls `then` when somebody sets the property; until then it keeps its value, and after it is an ordinary one again. */
function whenSet<Value>(object: object, key: string, then: (value: Value) => void): void {
  const before: unknown = Reflect.get(object, key);
  Object.defineProperty(object, key, {
    configurable: true,
    enumerable: before !== undefined,
    get: () => before,
    set(value: Value) {
      Object.defineProperty(object, key, { configurable: true, enumerable: true, writable: true, value });
      then(value);
    },
  });
}

function offer(name: string, { exports }: NodeJS.Module): void {
  if ((typeof exports !== 'object' && typeof exports !== 'function') || exports === null) return;
  if (done.has(exports)) return;
  try {
    if (patches.get(name)?.(exports) === true) done.add(exports);
  } catch (error) {
    done.add(exports);
    reportFault(`the instrumentation of ${name}`, error);
  }
}
