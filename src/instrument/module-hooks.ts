// Finds libraries as the application loads them, without a frame in its stack traces or a change to their source.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { attempt, reportFault } from './fault.ts';

/** Looks at what a module of the package exports; true when it is the package's main one and has been dealt with. */
type Patch = (exports: object) => boolean;

const NODE_MODULES = 'node_modules';
const { cache } = createRequire(import.meta.url);
const patches = new Map<string, Patch>();
const done = new WeakSet<object>();
/** The names in the manifests of folders that are named like a package but not as it is. */
const aliases = new Map<string, string>();

/**
 * Calls `patch` with the exports of the named package, once for every copy that is loaded, however it is loaded: by
 * `require`, or by `import` when the package is CommonJS. Copies that are loaded already come at once.
 *
 *     Node puts a module into `require.cache` ─▶ one of a named package waits for `loaded`
 *     Node sets `module.loaded`               ─▶ patch(module.exports)
 *
 * Why so: a resolve hook costs about as much for each module of the application as finding the module does, a `load` hook
 * breaks `import` of CommonJS on Node 22.15, and subscribers of the channel `module.require` (as wrapped loader functions
 * would) move the place that Node prints for an uncaught exception.
 */
export function onPackageLoad(packageName: string, patch: Patch): void {
  if (patches.size === 0) watchCache();
  patches.set(packageName, patch);
  for (const [file, module] of Object.entries(cache)) {
    if (module?.loaded === true && packageOf(file) === packageName) offer(packageName, module);
  }
}

/**
 * What the module exports under this name; undefined where it does not. As long as modules that need each other are loading, Node warns
 * of names that are asked for and are not there.
 */
export function exported<Value>(exports: object, name: string): Value | undefined {
  return Object.hasOwn(exports, name) ? (exports as Record<string, Value>)[name] : undefined;
}

/** What is new in the cache is none of its own properties yet, so that its prototype is asked to set it. */
function watchCache(): void {
  const prototype = Object.create(Object.getPrototypeOf(cache) as object | null) as object;
  const set = (target: object, file: string | symbol, module: unknown, receiver: unknown): boolean => {
    const isSet = Reflect.set(target, file, module, receiver);
    if (typeof file === 'string') meet(packageOf(file), module);
    return isSet;
  };
  Object.setPrototypeOf(cache, new Proxy(prototype, { set }));
}

/**
 * The package that a file belongs to, by its folder; a copy that was installed under another name, such as `express4`, by
 * its manifest. Empty for files of no package.
 */
function packageOf(file: string): string {
  const at = file.lastIndexOf(NODE_MODULES);
  if (at < 0) return '';
  const start = at + NODE_MODULES.length + 1;
  let end = separator(file, start);
  if (file[start] === '@') end = separator(file, end + 1);
  const name = file.slice(start, end);
  const isAlike = !patches.has(name) && [...patches.keys()].some(known => name.includes(known));
  return isAlike ? nameInManifest(file.slice(0, end)) : name;
}

function nameInManifest(folder: string): string {
  const known = aliases.get(folder);
  if (known !== undefined) return known;
  let name = '';
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    name = String(manifest.name);
  } catch {
    // What has no manifest that can be read is no package.
  }
  aliases.set(folder, name);
  return name;
}

/** Where the path segment ends that begins at `from`. */
function separator(file: string, from: number): number {
  for (let i = from; i < file.length; i++) {
    if (file[i] === '/' || file[i] === '\\') return i;
  }
  return file.length;
}

/** What is not loaded is offered when it is; what is no module of Node's never is, and nothing is seen of this. */
function meet(name: string, module: unknown): void {
  if (!patches.has(name) || typeof module !== 'object' || module === null) return;
  attempt(name, () => {
    const { loaded } = module as NodeJS.Module;
    if (loaded) offer(name, module as NodeJS.Module);
    else whenLoaded(module as NodeJS.Module, () => offer(name, module as NodeJS.Module));
  });
}

/** Calls `then` when somebody sets `loaded`; until then it keeps its value, and after it is an ordinary property again. */
function whenLoaded(module: NodeJS.Module, then: () => void): void {
  const before = module.loaded;
  Object.defineProperty(module, 'loaded', {
    configurable: true,
    enumerable: before !== undefined,
    get: () => before,
    set(value: boolean) {
      Object.defineProperty(module, 'loaded', {
        configurable: true,
        enumerable: true,
        writable: true,
        value,
      });
      then();
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
