// `docs/exit-matrix.md`, written from what runs of the matrix have shown.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../source-tree.ts';
import type { Cell, Items, Matrix, Row, TroubledRow } from './matrix.ts';
import type { Way } from './run.ts';

export const pageFile: string = join(root, 'docs/exit-matrix.md');

const intro = `# How a process ends

Every way in which a process ends, run with the agent and without it. Exit code, signal, stdout and stderr are the same in
each line of these tables, and what had ended before has arrived: \`test/register/exits\` runs all of it and fails when it is not
so. This page is written from such runs by \`node scripts/exit-matrix-page.ts\`.

| column | what it says |
|---|---|
| exit | the exit code, or the signal that the process died of: with the agent and without |
| how | the application's kind of module and the flag that brings the agent: first with the transport thread, then without (\`TRICORD_TRANSPORT_THREAD=off\`) |
| arrived | spans, log records (half of them lines of pino's, half through OpenTelemetry's API), and what a counter has counted, each of how many there were |
| added | milliseconds that the end took longer than without the agent, as seen in one run on a busy machine of two cores; the start of the agent, where the process ends in its midst, included |

Nothing is sent before the end in these runs, but in the table "Suddenly": lingers and the interval of metrics are a minute. Two things in
the stack trace of an exception do not count as a difference: the line inside \`node:events\`, which depends on how many listeners an event
has, and on Node.js 22 a frame that it has while anybody uses an AsyncLocalStorage.

- **All of it** arrives at every end that Node.js tells of: by itself, by \`process.exit()\`, by an error, by SIGTERM, SIGINT or SIGHUP, and
  at the end of a worker thread. What listeners of \`exit\` make arrives too.
- **Suddenly** means that no code runs any more: there the table counts what was made before it was sent, and all of that has arrived.
  Lost is at most what ended in the last \`TRICORD_TRACES_LINGER\` (100 ms) or \`TRICORD_LOGS_LINGER\` (1 s), what metrics were counted since
  the last \`OTEL_METRIC_EXPORT_INTERVAL\` (10 s), and what was not acknowledged yet.
- **A worker thread that is ended from outside**, by \`worker.terminate()\` or with its process, leaves all that it made: its spans and records
  lie in a ring that outlives it, and what it has measured in memory that the main thread reads. What callbacks observe is as of the last
  collection where the thread is gone or never waits, and the end waits for it a quarter of \`TRICORD_FLUSH_TIMEOUT\`. Without the
  transport thread there is nobody else to send spans and records, so that of such a thread only those have arrived that were sent.
- **A collector that does not answer** costs the end at most \`TRICORD_FLUSH_TIMEOUT\` (2 s; 200 ms in the runs below); one that refuses
  connections is given up at the second attempt. Exit code and output stay what they are.
`;

const short = ({ module, flag }: Way): string => `${module === 'module' ? 'ESM' : 'CJS'} \`${flag}\``;

const counts = (arrived: Items, made: Items): string =>
  (['spans', 'records', 'points'] as const)
    .map(kind => `${Math.min(arrived[kind], made[kind])}/${made[kind]}`)
    .join(' ');

const milliseconds = (cells: readonly Cell[]): string =>
  `${cells.map(({ addedMs }) => Math.max(0, Math.round(addedMs))).join(', ')} ms`;

const exitOf = ({ seen }: Cell): string => String(seen.signal ?? seen.code);

function rowOf({ ending, cells }: Row): string {
  const arrived = cells.map(({ arrived, due }) => counts(arrived, due));
  const exit = [...new Set(cells.map(exitOf))].join(', ');
  return `| ${ending.name} | ${exit} | ${cells.map(({ way }) => short(way)).join(', ')} | ${arrived.join(' | ')} | ${milliseconds(cells)} |`;
}

function troubledRowOf({ ending, cells }: TroubledRow): string {
  const all = Object.values(cells);
  const [{ way }] = all as [Cell];
  const arrived = all.map(({ arrived, due }) => counts(arrived, due));
  const exit = [...new Set(all.map(exitOf))].join(', ');
  const how = `${short(way)}, thread ${way.thread ? 'on' : 'off'}`;
  return `| ${ending.name} | ${exit} | ${how} | ${arrived.join(' | ')} | ${milliseconds(all)} |`;
}

export function pageOf({ groups, troubled }: Matrix): string {
  const tables = groups.map(({ title, rows }) =>
    [
      `## ${title}`,
      '',
      '| ending | exit | how | arrived, with the thread | arrived, without | added |',
      '|---|---|---|---|---|---|',
      ...rows.map(rowOf),
      '',
    ].join('\n'),
  );
  const trouble = [
    '## With a collector in trouble',
    '',
    'Slow: acknowledges each batch after 200 ms. Silent: takes connections and says nothing. Away: refuses them.',
    '',
    '| ending | exit | how | arrived: slow | silent | away | added: slow, silent, away |',
    '|---|---|---|---|---|---|---|',
    ...troubled.map(troubledRowOf),
    '',
  ].join('\n');
  return [intro, ...tables, trouble].join('\n');
}

/** The page but for what differs from run to run. */
export const timeless = (page: string): string => page.replaceAll(/(\d+(, )?)+ ms \|/g, '… ms |');

export const pageNow = (): string => readFileSync(pageFile, 'utf8');
