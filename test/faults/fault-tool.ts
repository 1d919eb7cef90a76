// Runs the fault tool as anyone does: in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

export interface ToolRun {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** What the tool says in its last line. */
export interface Summary {
  readonly kept: boolean;
  readonly broken: readonly string[];
  readonly figures: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly failures: readonly string[];
  readonly skipped: Readonly<Record<string, string>>;
}

export async function runTool(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ToolRun> {
  const options = ['--disable-warning=ExperimentalWarning', '--conditions=source'];
  const tool = spawn(process.execPath, [...options, main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const [output, errors, [code]] = await Promise.all([
    text(tool.stdout),
    text(tool.stderr),
    once(tool, 'exit'),
  ]);
  return { code, output, errors };
}

export function summaryOf({ output, errors }: ToolRun): Summary {
  const last = output.trimEnd().split('\n').at(-1);
  try {
    return JSON.parse(last ?? '') as Summary;
  } catch {
    throw new Error(`no summary in the last line: ${last}\n${errors}`);
  }
}
