// Bundles the agent: one CommonJS file for each of its threads, which is quick to load, others for what is seldom needed, and thin
// entries around them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');

/** What runs in the application's thread, by the module that other packages import. */
const entries = ['index', 'sdk', 'instrument/pino', 'instrument/prom-client'];
/** What is loaded by those applications alone that ask for it. */
const seldom = ['configuration-file', 'metrics-page', 'profile/slow-profiler'];
/** The loop between ring and collector, in a thread of its own or without one. */
const loops = ['worker', 'delivery'];
/** What starts it. */
const registration = 'instrument/registration';
/** The entries in one file, so that there is one copy of every module however the agent is loaded. */
const agent = [...entries, registration].map(entry => `export * from './src/${entry}.ts';`).join('\n');

const installation = readFileSync(join(root, 'src/instrument/installation.ts'), 'utf8');
const lazy = /\brequire\('\.\/([\w-]+)\.ts'\)/g;
/** Instrumentations that are evaluated when their library is loaded, by their names. */
const lazyModules = [...installation.matchAll(lazy)].map(
  ([, name]) => `get '${name}'() { return require('./src/instrument/${name}.ts'); }`,
);
if (lazyModules.length === 0) throw new Error('installation.ts requires no module of its own any more');

/**
 * What a source requires when it needs it has a file of its own. In the agent's it would be wrapped in a function, and so would all
 * that it imports: parsed twice, and never constant to the compiler.
 */
const lazyApart: Plugin = {
  name: 'lazy-apart',
  setup({ onLoad }) {
    onLoad({ filter: /src\/instrument\/installation\.ts$/ }, () => ({
      contents: installation.replaceAll(lazy, "require('./libraries.cjs')['$1']"),
      loader: 'ts',
    }));
  },
};

const LINE_LENGTH = 120;

const common = {
  bundle: true,
  platform: 'node',
  target: 'node22.15',
  logLevel: 'warning',
  plugins: [lazyApart],
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
  const { inputs, outputs } = await agentMetafile();
  const exported = entries.map(entry => [entry, outputs[`dist/${entry}.js`]!.exports] as const);
  const all = new Set(['register', ...exported.flatMap(([, names]) => names)]);
  const libraries = await librariesBeside(new Set(Object.keys(inputs)));
  write('libraries.cjs', libraries.text);
  const agentText = await commonJs({ stdin: { contents: withModules(libraries.shared), resolveDir: root } });
  // Never run: tells who imports it as an ES module what there is to import.
  write('agent.cjs', `${agentText}0 && (module.exports = { ${[...all].join(', ')} });\n`);
  for (const loop of loops)
    write(`${loop}.cjs`, await commonJs({ entryPoints: [join(root, `src/transport/${loop}.ts`)] }));
  for (const part of seldom)
    write(`${part}.cjs`, await commonJs({ entryPoints: [join(root, `src/${part}.ts`)] }));
  for (const [entry, names] of exported) {
    const from = `${'../'.repeat(entry.split('/').length - 1) || './'}agent.cjs`;
    write(`${entry}.js`, `export { ${names.join(', ')} } from '${from}';\n`);
  }
  write('register.js', "import { register } from './agent.cjs';\n\nregister();\n");
  write('register.cjs', "require('./agent.cjs').register();\n");
  write('register.d.cts', 'export {};\n');
  const doctor = await commonJs({ entryPoints: [join(root, 'src/doctor/main.ts')] });
  write('tricord.cjs', `#!/usr/bin/env node\n${doctor.replace(/^#!.*\n/m, '')}`);
  // The collector's, and a copy of its own: it has no state, and the agent's file would be more to load.
  const otlp = 'transport/otlp/index';
  write(`${otlp}.js`, await text({ entryPoints: [join(root, `src/${otlp}.ts`)], format: 'esm' }));
  return written;
}

/** The agent, and for the libraries' file those of its modules that this needs. */
function withModules(paths: readonly string[]): string {
  const imports = paths.map((path, number) => `import * as module${number} from './${path}';`);
  const members = paths.map((path, number) => `'${path}': module${number}`);
  return [agent, ...imports, `export const modules = { ${members.join(', ')} };`].join('\n');
}

/**
 * The instrumentations that have a file of their own.
 * @param agentModules what they import of these they get from the agent, of which there is to be one copy
 */
async function librariesBeside(
  agentModules: ReadonlySet<string>,
): Promise<{ text: string; shared: string[] }> {
  const shared = new Set<string>();
  const fromAgent: Plugin = {
    name: 'from-agent',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\..*\.ts$/ }, ({ path, resolveDir }) => {
        const file = relative(root, join(resolveDir, path));
        if (!agentModules.has(file)) return undefined;
        shared.add(file);
        return { path: file, namespace: 'agent' };
      });
      onResolve({ filter: /^\.\/agent\.cjs$/ }, ({ path }) => ({ path, external: true }));
      onLoad({ filter: /./, namespace: 'agent' }, ({ path }) => ({
        contents: `module.exports = require('./agent.cjs').modules['${path}'];`,
      }));
    },
  };
  const contents = `module.exports = { ${lazyModules.join(', ')} };`;
  const libraries = await commonJs({ stdin: { contents, resolveDir: root }, plugins: [fromAgent] });
  return { text: libraries, shared: [...shared].sort() };
}

async function text(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ ...common, ...options, write: false });
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
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  });
  // A class that names itself is printed as `Name=class _Name`; programs would see that name.
  const classes = new Set([...code.matchAll(/\b(\w+)=class _\1\b/g)].map(match => match[1]!));
  return `"use strict";\n${code.replaceAll(/\b_(\w+)\b/g, (whole, name: string) => (classes.has(name) ? name : whole))}`;
}

/** What the agent is made of, and what each entry exports; paths are relative to the root. */
async function agentMetafile(): Promise<Metafile> {
  const { metafile } = await build({
    ...common,
    entryPoints: [...entries, registration].map(entry => join(root, `src/${entry}.ts`)),
    outdir: dist,
    format: 'esm',
    write: false,
    metafile: true,
    absWorkingDir: root,
  });
  return metafile;
}
