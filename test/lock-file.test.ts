// The lock file: whole for every platform, and free of any registry's host name.
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

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Locked>;
};
const entries = Object.entries(packages);

describe('the lock file', () => {
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
    const { allowScripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
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
});
