// Runs the doctor as a process of its own, and reads what it says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Finding, Report } from '../../src/doctor/finding.ts';
import { root } from '../source-tree.ts';

export interface Examination {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExaminationOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** `tricord` with these arguments, in an environment of its own. */
export async function tricord(
  args: readonly string[],
  options: ExaminationOptions = {},
): Promise<Examination> {
  const main = join(root, 'src/doctor/main.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    cwd: options.cwd ?? root,
    env: { PATH: process.env.PATH, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map(stream => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return chunks;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: Buffer.concat(stdout!).toString(), stderr: Buffer.concat(stderr!).toString() };
}

/** The one JSON object that `tricord doctor --json` prints. */
export async function examine(args: readonly string[], options?: ExaminationOptions): Promise<Report> {
  const { stdout } = await tricord(['doctor', '--json', ...args], options);
  return JSON.parse(stdout) as Report;
}

/** The one finding about this. */
export function about({ findings }: Pick<Report, 'findings'>, subject: string): Finding {
  const found = findings.filter(finding => finding.subject === subject);
  if (found.length !== 1) throw new Error(`${found.length} findings about ${subject}`);
  return found[0]!;
}
