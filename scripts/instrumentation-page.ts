// Writes the table of docs/instrumentation.md that says what tests have seen: runs those tests, which need the databases' servers.
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { columns, ROWS_VARIABLE, rowsIn } from '../test/instrument/observed-row.ts';

const root = resolve(import.meta.dirname, '..');
const path = join(root, 'docs/instrumentation.md');
const around = /(<!-- rows from tests -->\n)[\s\S]*?(<!-- end of rows -->)/;

const rowsFolder = mkdtempSync(join(tmpdir(), 'tricord-rows-'));
try {
  const tests = globSync('test/instrument/*.test.ts', { cwd: root }).filter(test =>
    readFileSync(join(root, test), 'utf8').includes('describesRow('),
  );
  const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning', '--test-reporter=dot'];
  const env = { ...process.env, [ROWS_VARIABLE]: rowsFolder };
  const args = [...flags, '--test', '--test-concurrency=1', ...tests.sort()];
  const { status } = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' });
  if (status === 0) write(readdirSync(rowsFolder).sort());
  else process.exitCode = 1;
} finally {
  rmSync(rowsFolder, { recursive: true });
}

/** Rows of tests that were skipped stay as they are. */
function write(files: readonly string[]): void {
  const page = readFileSync(path, 'utf8');
  const [, , ...told] = rowsIn(around.exec(page)?.[0] ?? '');
  const seen = files.map(file => JSON.parse(readFileSync(join(rowsFolder, file), 'utf8')) as string[]);
  const rows = new Map([...told, ...seen].map(cells => [cells[0]!, cells]));
  const sorted = [...rows.keys()].sort().map(name => rows.get(name)!);
  const lines = [columns, columns.map(() => '---'), ...sorted].map(cells => `| ${cells.join(' | ')} |\n`);
  writeFileSync(path, page.replace(around, `$1${lines.join('')}$2`));
}
