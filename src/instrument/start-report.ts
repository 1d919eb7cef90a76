// What TRICORD_DOCTOR=1 says at run time: what the agent is, what was loaded before it, and what it has found since.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Options } from '../index.ts';
import { tell } from './fault.ts';
import { selectedInstrumentations } from './installation.ts';
import { type Library, libraries, otherAgents, packageOfFile } from './libraries.ts';

const { cache } = createRequire(import.meta.url);

interface Loaded {
  readonly name: string;
  readonly version: string;
}

/**
 * Tells at once what was loaded before the agent, and when the event loop turns for the first time, as the application has
 * loaded by then, what of it is observed. Called before anything is instrumented.
 */
export function reportStart(options: Readonly<Options>): void {
  const before = loadedPackages();
  for (const { name, version } of before) {
    const early = libraries.find(library => library.name === name)?.early;
    if (early !== undefined)
      say(`${name} ${version} was loaded before the agent: ${early}; load the agent first`);
    const agent = otherAgents[name];
    if (agent !== undefined)
      say(`${name} ${version}, ${agent}, was loaded before the agent; let one agent observe it`);
  }
  setImmediate(() => reportLoaded(options, new Set(before.map(({ name }) => name))));
}

function reportLoaded(options: Readonly<Options>, before: ReadonlySet<string>): void {
  const selected = selectedInstrumentations(options, () => {});
  const loaded = loadedPackages();
  const known = loaded.flatMap(found => {
    const library = libraries.find(({ name }) => name === found.name);
    return library === undefined ? [] : [stateOf(found, library, selected)];
  });
  say(`instrumentations: ${[...selected].join(', ') || 'none'}`);
  say(`libraries that the application has loaded: ${known.join(', ') || 'none that are known'}`);
  for (const { name, version } of loaded) {
    const agent = otherAgents[name];
    if (agent !== undefined && !before.has(name))
      say(`${name} ${version}, ${agent}, is loaded too; let one agent observe the application`);
  }
}

function stateOf({ name, version }: Loaded, library: Library, selected: ReadonlySet<string>): string {
  const shown = `${name} ${version}`;
  if (!selected.has(library.instrumentation)) return `${shown} (switched off)`;
  const major = Number.parseInt(version, 10);
  return major < library.from ? `${shown} (not instrumented: from ${library.from} on)` : shown;
}

const say = (line: string): void => tell(`doctor: ${line}`);

/** The packages of which a file is in `require.cache`, once for each folder. */
function loadedPackages(): Loaded[] {
  const folders = new Map<string, string>();
  for (const file of Object.keys(cache)) {
    const found = packageOfFile(file);
    if (found !== undefined) folders.set(found.folder, found.name);
  }
  return [...folders].map(([folder, name]) => manifestOf(folder, name));
}

/** What is installed under another name says so in its manifest. */
function manifestOf(folder: string, name: string): Loaded {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Partial<Loaded>;
    return { name: String(manifest.name ?? name), version: String(manifest.version ?? '?') };
  } catch {
    return { name, version: '?' };
  }
}
