// Writes docs/benchmarks.md: each scenario's tables as they were run last, with the machine, the versions and the commands.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';
import type { Result } from './harness.ts';
import { otelCollectorVersion } from './otel-collector.ts';
import { tables } from './report.ts';
import { scenarios } from './scenarios.ts';

const root = resolve(import.meta.dirname, '..');
const page = join(root, 'docs/benchmarks.md');

/** Scenarios that are not among the results keep their sections. */
export function writePage(results: readonly Result[]): void {
  const before = existsSync(page) ? readFileSync(page, 'utf8') : '';
  writeFileSync(page, pageWith(before, results));
}

export function pageWith(before: string, results: readonly Result[]): string {
  const sections = new Map<string, string>();
  for (const text of before.trimEnd().split(/\n\n(?=## )/))
    sections.set(/^## (.+)/.exec(text)?.[1] ?? '', text);
  for (const result of results) sections.set(result.scenario.name, section(result));
  const inOrder = Object.keys(scenarios).flatMap(name => sections.get(name) ?? []);
  return [introduction(), ...inOrder].join('\n\n').concat('\n');
}

function introduction(): string {
  const [cpu] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `# Benchmarks

Ours beside its peers, in one run on one machine: every contestant in a process of its own, in turn, a real collector
at the other end. A run in which anything was dropped is void and is named as such. Figures are medians over
the rounds; ratios are ours over theirs within a round, and their median is what counts. A round in which an agent
seems to add nothing has been disturbed: added costs of it do not count. Absolute figures are those of this machine; the
ratios are what carries over.

- Machine: ${cpu?.model.trim() ?? 'unknown'}, ${cpus().length} cores, ${gib} GiB, ${type()} ${release()}
- Node.js ${process.versions.node}, ${peerVersions().join(', ')}

This page is written by \`npm run --silent bench -- all\`, and one section of it by \`npm run --silent bench -- NAME --page\`.`;
}

function section(result: Result): string {
  const { name, about } = result.scenario;
  return `## ${name}

${about}

\`\`\`sh
npm run --silent bench -- ${name}
\`\`\`

tricord at ${commit()}, ${new Date().toISOString().slice(0, 10)}, ${result.rounds} rounds.

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
