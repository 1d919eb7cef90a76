// Which ES modules are loaded ahead: those that an application's package.json names, and no others.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { requireDependency } from '../../src/instrument/es-packages.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tricord-es-packages-')));
after(() => rmSync(folder, { recursive: true }));

function write(path: string, content: string | object): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

write('node_modules/pure/package.json', {
  name: 'pure',
  type: 'module',
  exports: { './part': { types: './part.d.ts', import: './part.js' }, './plain': './part.js' },
});
const part = write('node_modules/pure/part.js', 'export class Part {}');
write('services/named/package.json', { dependencies: { pure: '1' } });
const named = write('services/named/src/main.js', '');
write('services/other/package.json', { dependencies: { impure: '1' } });
const other = write('services/other/main.js', '');
const linked = join(folder, 'bin.js');
symlinkSync(named, linked);

const [, ownMain] = process.argv;
afterEach(() => {
  process.argv[1] = ownMain!;
});

describe('an ES module of a package', () => {
  for (const main of [named, linked, named.replace(/\.js$/, '')]) {
    it(`is the one that ${main.slice(folder.length)} would import, when its package.json names it`, async () => {
      process.argv[1] = main;
      const { Part } = (await import(pathToFileURL(part).href)) as { Part: unknown };
      assert.equal((requireDependency('pure', './part') as { Part: unknown }).Part, Part);
      assert.equal((requireDependency('pure', './plain') as { Part: unknown }).Part, Part);
    });
  }

  it('is left alone when no package.json above the main module names it, or it is not there', () => {
    process.argv[1] = other;
    assert.equal(requireDependency('pure', './part'), undefined);
    assert.equal(requireDependency('impure', './part'), undefined);
    process.argv[1] = named;
    assert.equal(requireDependency('pure', './missing'), undefined);
  });
});
