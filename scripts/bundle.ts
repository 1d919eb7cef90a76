// Bundles the agent: one CommonJS file for each of its threads, which is quick to load, others beside it for what is loaded later or
// by few, and thin entries around them.
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');
const source = join(root, 'src');

/** What runs in the application's thread from the start, by the module that other packages import. Modules are relative to `src/`. */
const entries = ['index', 'instrument/pino', 'instrument/prom-client'];
/** What starts it. */
const registration = 'instrument/registration';
/** What runs there for those alone that import it. */
const seldom = ['sdk'];
/** The loop between ring and collector, in a thread of its own. */
const loop = 'transport/worker';
const doctor = 'doctor/main';
const API = '@opentelemetry/api';

/** How a module loads another when it needs it, and what it does that with: built, one such function serves all of a file. */
const OWN_REQUIRE = 'const require = createRequire(import.meta.url);\n';
const lazy = /\brequire\('(\.[\w./-]+)\.ts'\)/g;
const modules = globSync('**/*.ts', { cwd: source }).map(moduleOf);
const lazyModules = modules.flatMap(module =>
  [...textOf(module).matchAll(lazy)].map(([, path]) => join(dirname(module), path!)),
);
/** What is no library's of those that are loaded so by instrumentations. */
const ofAgent = ['runtime-metrics', 'start-report', 'stock'];
/** Instrumentations of libraries, which have much in common. */
const libraries = lazyModules.filter(
  module => dirname(module) === 'instrument' && !ofAgent.includes(basename(module)),
);
const alone = [...seldom, ...lazyModules].filter(module => !libraries.includes(module));
if (new Set(alone.map(each => basename(each))).size < new Set(alone).size)
  throw new Error(`Two of these have one name, and so one file: ${alone.join(', ')}.`);
/** The files beside the agent's: what each is made of. They have the agent's modules from there, of which there is one copy. */
const parts: ReadonlyMap<string, string> = new Map([
  ['libraries', `module.exports = { ${libraries.map(evaluatedLater).join(', ')} };`],
  ['tricord', allOf(doctor)],
  ...alone.map(module => [basename(module), allOf(module)] as const),
]);

function moduleOf(file: string): string {
  return file.replace(/\.ts$/, '');
}

function textOf(module: string): string {
  return readFileSync(join(source, `${module}.ts`), 'utf8');
}

function allOf(module: string): string {
  return `export * from './src/${module}.ts';`;
}

function evaluatedLater(module: string): string {
  return `get '${module}'() { return require('./src/${module}.ts'); }`;
}

/**
 * What a module requires when it needs it has a file of its own. In the agent's it would be wrapped in a function, and so would all
 * that it imports: parsed twice, and never constant to the compiler.
 */
const lazyApart: Plugin = {
  name: 'lazy-apart',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const module = moduleOf(relative(source, path));
      const fromFile = (_: string, to: string): string => requireOf(join(dirname(module), to));
      const text = textOf(module);
      const contents = text.replaceAll(lazy, fromFile);
      return { contents: contents === text ? text : contents.replace(OWN_REQUIRE, ''), loader: 'ts' };
    });
  },
};

function requireOf(module: string): string {
  const isLibrary = libraries.includes(module);
  return isLibrary
    ? `requireBeside('./libraries.cjs')['${module}']`
    : `requireBeside('./${basename(module)}.cjs')`;
}

const LINE_LENGTH = 120;
const BANNER = [
  "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;",
  "const requireBeside = require('node:module').createRequire(__filename);",
].join('\n');

const common = {
  bundle: true,
  platform: 'node',
  target: 'node22.15',
  logLevel: 'warning',
  absWorkingDir: root,
} as const satisfies BuildOptions;

/**
 * Writes everything of `dist/` that runs.
 * @returns the files, relative to `dist/`
 */
export async function bundle(): Promise<string[]> {
  const written: string[] = [];
  const write = (path: string, text: string): void => {
    const file = join(dist, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    written.push(path);
  };
  const agents = await exportsOf(await modulesOf([...entries, registration]));
  const lender = new Lender(new Map([...agents, [API, namesOfApi()]]));
  for (const [part, contents] of parts) {
    const code = await commonJs({ stdin: { contents, resolveDir: root }, plugins: [lender.plugin] });
    write(`${part}.cjs`, part === 'tricord' ? `#!/usr/bin/env node\n${code}` : code);
  }
  const contents = [...[...entries, registration].map(allOf), ...lender.lent()].join('\n');
  const exported = await exportsOf([...entries, ...seldom]);
  const names = entries.flatMap(entry => exported.get(entry)!);
  // Never run: tells who imports it as an ES module what there is to import.
  const told = `0 && (module.exports = { ${[...new Set(['register', ...names])].join(', ')} });\n`;
  write('agent.cjs', `${await commonJs({ stdin: { contents, resolveDir: root } })}${told}`);
  write('worker.cjs', await commonJs({ entryPoints: [join(source, `${loop}.ts`)] }));
  for (const [entry, ofEntry] of exported) {
    const folder = '../'.repeat(entry.split('/').length - 1) || './';
    const file = seldom.includes(entry) ? basename(entry) : 'agent';
    write(`${entry}.js`, `export { ${ofEntry.join(', ')} } from '${folder}${file}.cjs';\n`);
  }
  write('register.js', "import { register } from './agent.cjs';\n\nregister();\n");
  write('register.cjs', "require('./agent.cjs').register();\n");
  write('register.d.cts', 'export {};\n');
  // The collector's, and a copy of its own: it has no state, and the agent's file would be more to load.
  const otlp = 'transport/otlp/index';
  write(`${otlp}.js`, await text({ entryPoints: [join(source, `${otlp}.ts`)], format: 'esm' }));
  return written;
}

/** What files beside the agent's import of its modules, of which there is one copy: the agent's. */
class Lender {
  readonly #names: ReadonlyMap<string, readonly string[]>;
  readonly #used = new Set<string>();

  /** @param names by module of the agent's, or package in it, what it exports */
  constructor(names: ReadonlyMap<string, readonly string[]>) {
    this.#names = names;
  }

  readonly plugin: Plugin = {
    name: 'from-agent',
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /^\..*\.ts$|^@/ }, ({ path, resolveDir }) => {
        const module = path.startsWith('@') ? path : moduleOf(relative(source, join(resolveDir, path)));
        if (!this.#names.has(module)) return undefined;
        this.#used.add(module);
        return { path: module, namespace: 'agent' };
      });
      onResolve({ filter: /^\.\/agent\.cjs$/ }, ({ path }) => ({ path, external: true }));
      onLoad({ filter: /./, namespace: 'agent' }, ({ path: module }) => {
        const names = `{ ${this.#names.get(module)!.join(', ')} }`;
        return {
          contents: `const ${names} = require('./agent.cjs').modules['${module}'];\nexport ${names};`,
        };
      });
    },
  };

  /** What gives them these modules. */
  *lent(): Iterable<string> {
    const members: string[] = [];
    for (const [number, module] of [...this.#used].sort().entries()) {
      const names = this.#names.get(module)!.map(name => [name, `${name}_${number}`] as const);
      yield `import { ${names.map(([name, local]) => `${name} as ${local}`).join(', ')} } from '${module === API ? API : `./src/${module}.ts`}';`;
      const object = names.map(pair => pair.join(': ')).join(', ');
      members.push(`get '${module}'() { return { ${object} }; }`);
    }
    yield `export const modules = { ${members.join(', ')} };`;
  }
}

/** The values that the sources import of it. */
function namesOfApi(): string[] {
  const imports = new RegExp(`import \\{([^}]*)\\} from '${API}'`, 'g');
  const names = modules.flatMap(module =>
    [...textOf(module).matchAll(imports)].flatMap(([, list]) => list!.split(',')),
  );
  return [...new Set(names.map(name => name.trim()))].filter(name => /^\w+$/.test(name));
}

async function text(options: BuildOptions): Promise<string> {
  const plugins = [...(options.plugins ?? []), lazyApart];
  const { outputFiles } = await build({ ...common, ...options, plugins, write: false });
  return outputFiles![0]!.text;
}

/** Without comments and blanks, which the runtime would read and keep as well, but with names and lines, for the sake of stack traces. */
async function commonJs(options: BuildOptions): Promise<string> {
  const code = await text({
    ...options,
    format: 'cjs',
    minifyWhitespace: true,
    lineLimit: LINE_LENGTH,
    define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
    banner: { js: BANNER },
  });
  // A class that names itself is printed as `Name=class _Name`; programs would see that name.
  const classes = new Set([...code.matchAll(/\b(\w+)=class _\1\b/g)].map(match => match[1]!));
  return `"use strict";\n${code.replaceAll(/\b_(\w+)\b/g, (whole, name: string) => (classes.has(name) ? name : whole))}`;
}

/** The modules that these are made of, themselves among them. */
async function modulesOf(modules: readonly string[]): Promise<string[]> {
  const { inputs } = await metafileOf(modules);
  return Object.keys(inputs)
    .filter(path => path.startsWith('src/'))
    .map(path => moduleOf(path.slice('src/'.length)));
}

/** What each of the modules exports but types. */
async function exportsOf(modules: readonly string[]): Promise<Map<string, string[]>> {
  const { outputs } = await metafileOf(modules);
  return new Map(modules.map(module => [module, outputs[`dist/${module}.js`]!.exports]));
}

async function metafileOf(modules: readonly string[]): Promise<Metafile> {
  const { metafile } = await build({
    ...common,
    entryPoints: modules.map(module => join(source, `${module}.ts`)),
    outdir: dist,
    outbase: source,
    format: 'esm',
    write: false,
    metafile: true,
    plugins: [lazyApart],
  });
  return metafile;
}
