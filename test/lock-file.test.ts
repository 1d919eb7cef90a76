// The lock files: whole for every platform, and free of any registry's host name.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from './source-tree.ts';

interface Locked {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));

function holdsItsRules(folder: string): void {
  const { packages } = readJson(join(folder, 'package-lock.json')) as { packages: Record<string, Locked> };
  const entries = Object.entries(packages);

  it('holds the optional packages of every platform, so that `npm ci` accepts it', () => {
    const names = new Set(entries.map(([path]) => path.split('node_modules/').at(-1)!));
    const missing = entries.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter(name => !names.has(name))
        .map(name => `${path} → ${name}`),
    );
    assert.deepEqual(missing, []);
  });

  it('names no registry', () => {
    const named = entries
      .filter(([, { resolved, link }]) => resolved !== undefined && link !== true)
      .map(([path]) => path);
    assert.deepEqual(named, []);
  });

  it('holds no package with an install script that is not decided upon', () => {
    const { allowScripts } = readJson(join(folder, 'package.json')) as {
      allowScripts: Record<string, boolean>;
    };
    const scripted = entries
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => path.split('node_modules/').at(-1)!);
    assert.deepEqual(
      scripted.filter(name => !(name in allowScripts)),
      [],
    );
  });
}

describe('the lock file', () => holdsItsRules('.'));
describe('the lock file of the benchmarks', () => holdsItsRules('bench'));
