// What the tests have seen of an instrumentation, as a row of the table in docs/instrumentation.md; with a test that they agree.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { root } from '../source-tree.ts';
import type { Seen } from './telemetry.ts';

const require = createRequire(import.meta.url);
const page = join(root, 'docs/instrumentation.md');
/** Of what makes neither spans nor metrics of its own. */
export const nothing: Seen = {
  kinds: new Set(),
  names: new Set(),
  attributes: new Set(),
  metrics: new Set(),
};

/** Names the folder in which the page's generator gathers the rows; without it they are compared with the page. */
export const ROWS_VARIABLE = 'TEST_OBSERVED_ROWS';
const gathered = process.env[ROWS_VARIABLE];

export interface ObservedRow {
  /** As in `TRICORD_INSTRUMENTATIONS`. */
  readonly name: string;
  /** Packages as this repository names them, or what else it is tested with. */
  readonly libraries: readonly string[];
  /** What answered. Its version is not compared: it is that of the machine. */
  readonly server: string;
  /** Of spans that were seen, one that stands for them; empty where there are none. */
  readonly example: string;
  readonly seen: Seen;
}

export const columns = ['name', 'tested with', 'server', 'spans', 'metrics', 'attributes'] as const;

/** Must come last in its file: adds the test, which wants all the others to have run. */
export function describesRow(row: () => ObservedRow, skip: string | false = false): void {
  it('is described as it was seen in docs/instrumentation.md', { skip }, () => {
    const seen = row();
    const cells = cellsOf(seen);
    if (gathered !== undefined) {
      writeFileSync(join(gathered, `${seen.name}.json`), JSON.stringify(cells));
      return;
    }
    const told = rowsIn(readFileSync(page, 'utf8')).find(([name]) => name === cells[0]);
    assert.deepEqual(
      told?.toSpliced(2, 1),
      cells.toSpliced(2, 1),
      'run `node scripts/instrumentation-page.ts`',
    );
  });
}

function cellsOf({ name, libraries, server, example, seen }: ObservedRow): string[] {
  const { kinds, names, attributes, metrics } = seen;
  if (example !== '') assert.ok(names.has(example), `no span was seen that is named ${example}`);
  const spans = example === '' ? '' : `${[...kinds].sort().join(', ')}: ${code(example)}`;
  return [
    code(name),
    libraries.map(withVersion).join(', '),
    server,
    spans,
    [...metrics].sort().map(code).join(', '),
    [...attributes].sort().map(code).join(', '),
  ];
}

const code = (text: string): string => `\`${text}\``;

/** A package with its version; anything else as it is. */
function withVersion(library: string): string {
  const manifest = manifestOf(library);
  return manifest === undefined ? library : `${manifest.name} ${manifest.version}`;
}

function manifestOf(library: string): { name: string; version: string } | undefined {
  let main: string;
  try {
    main = require.resolve(library);
  } catch {
    return undefined;
  }
  for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
    if (dirname(folder).endsWith('node_modules')) {
      return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    }
  }
  return undefined;
}

/** The rows of the page's table, each as its cells. */
export function rowsIn(text: string): string[][] {
  return text
    .split('\n')
    .filter(line => line.startsWith('| '))
    .map(line => line.slice(2, -2).split(' | '))
    .filter(cells => cells.length === columns.length);
}
