// Writes docs/benchmarks.md: every scenario's tables, with the machine, the versions and the commands.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';
import type { Result } from './harness.ts';
import { otelCollectorVersion } from './otel-collector.ts';
import { tables } from './report.ts';

const root = resolve(import.meta.dirname, '..');
const page = join(root, 'docs/benchmarks.md');

export function writePage(results: readonly Result[]): void {
  writeFileSync(page, [introduction(results), ...results.map(section)].join('\n\n').concat('\n'));
}

function introduction(results: readonly Result[]): string {
  const [cpu] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `# Benchmarks

Ours beside its peers, in one run on one machine: every contestant in a process of its own, in turn, a real collector
at the other end. A run in which anything was dropped is void and is named as such. Figures are medians over
${results[0]?.rounds ?? 0} rounds; ratios are ours over theirs within a round, and their median is what counts. A round in which an agent
seems to add nothing has been disturbed: added costs of it do not count. Absolute figures are those of this machine; the
ratios are what carries over.

- Machine: ${cpu?.model.trim() ?? 'unknown'}, ${cpus().length} cores, ${gib} GiB, ${type()} ${release()}
- Node.js ${process.versions.node}; tricord at ${commit()}, ${new Date().toISOString().slice(0, 10)}
- ${peerVersions().join(', ')}

This page is written by \`npm run --silent bench -- all\`.`;
}

function section(result: Result): string {
  const { name, about } = result.scenario;
  return `## ${name}

${about}

\`\`\`sh
npm run --silent bench -- ${name}
\`\`\`

${tables(result)}`;
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'an unknown commit';
  }
}

/** The pinned versions, which are the installed ones. */
function peerVersions(): string[] {
  const manifest = readFileSync(join(import.meta.dirname, 'package.json'), 'utf8');
  const { devDependencies } = JSON.parse(manifest) as { devDependencies: Record<string, string> };
  const packages = Object.entries(devDependencies).map(([name, version]) => `${name} ${version}`);
  return [...packages, `OpenTelemetry Collector ${otelCollectorVersion()}`];
}
