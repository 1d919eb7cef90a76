// The doctor's command line: its own options, then how the application is started.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';

export interface Preload {
  readonly flag: '--require' | '--import';
  readonly specifier: string;
  /** Where it was said. */
  readonly source: 'NODE_OPTIONS' | 'the command line';
}

/** How Node.js is asked to run the application. */
export interface Invocation {
  /** In the order in which Node.js loads them: what is required comes before what is imported. */
  readonly preloads: readonly Preload[];
  /** Options of Node.js without the preloads. */
  readonly flags: readonly string[];
  /** The application's file as it was given; undefined when none was. */
  readonly application: string | undefined;
  /** The variables that the application will have. */
  readonly env: NodeJS.ProcessEnv;
  /** Files of variables that could not be read, with the reason. */
  readonly unread: readonly string[];
}

const NAMES: Readonly<Record<string, string>> = { '-r': '--require', '-C': '--conditions', '-e': '--eval' };
/** Options of Node.js that may have their value in the argument behind them. */
const WITH_VALUE: ReadonlySet<string> = new Set([
  ...['--require', '--import', '--loader', '--experimental-loader', '--conditions', '--eval'],
  ...[
    '--env-file',
    '--env-file-if-exists',
    '--title',
    '--inspect-port',
    '--icu-data-dir',
    '--openssl-config',
  ],
]);

interface Flag {
  readonly name: string;
  readonly value: string | undefined;
}

/**
 * @param args what follows the doctor's own options: `[node arguments] app.js [arguments of the application]`
 * @param env the doctor's own variables, which the application would have as well
 */
export function readInvocation(args: readonly string[], env: NodeJS.ProcessEnv): Invocation {
  const given = readFlags(args);
  const inherited = readFlags(splitOptions(env.NODE_OPTIONS ?? ''));
  const all = [
    ...preloadsIn(inherited.flags, 'NODE_OPTIONS'),
    ...preloadsIn(given.flags, 'the command line'),
  ];
  const { variables, unread } = readEnvFiles(given.flags);
  return {
    preloads: [
      ...all.filter(({ flag }) => flag === '--require'),
      ...all.filter(({ flag }) => flag === '--import'),
    ],
    flags: [...inherited.flags, ...given.flags].map(({ name }) => name),
    application: given.rest[0],
    // A variable that is set wins over a file's.
    env: { ...variables, ...env },
    unread,
  };
}

function readFlags(args: readonly string[]): { flags: Flag[]; rest: readonly string[] } {
  const flags: Flag[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--') return { flags, rest: args.slice(i + 1) };
    if (!arg.startsWith('-')) return { flags, rest: args.slice(i) };
    const at = arg.indexOf('=');
    const short = at < 0 ? arg : arg.slice(0, at);
    const name = NAMES[short] ?? short;
    const value = at < 0 && WITH_VALUE.has(name) ? args[++i] : at < 0 ? undefined : arg.slice(at + 1);
    flags.push({ name, value });
  }
  return { flags, rest: [] };
}

/** NODE_OPTIONS is separated by spaces; double quotes hold a part together, in which a backslash escapes. */
function splitOptions(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"]|"(?:\\.|[^"\\])*")+/g)].map(([part]) =>
    part.replaceAll(/"((?:\\.|[^"\\])*)"/g, (_, inner: string) => inner.replaceAll(/\\(.)/g, '$1')),
  );
}

function preloadsIn(flags: readonly Flag[], source: Preload['source']): Preload[] {
  return flags.flatMap(({ name, value }) =>
    (name === '--require' || name === '--import') && value !== undefined
      ? [{ flag: name, specifier: value, source }]
      : [],
  );
}

function readEnvFiles(flags: readonly Flag[]): { variables: NodeJS.ProcessEnv; unread: string[] } {
  const variables: NodeJS.ProcessEnv = {};
  const unread: string[] = [];
  for (const { name, value } of flags) {
    if (!name.startsWith('--env-file') || value === undefined) continue;
    try {
      Object.assign(variables, parseEnv(readFileSync(resolve(value), 'utf8')));
    } catch (error) {
      if (name === '--env-file') unread.push(`${value}: ${(error as Error).message}`);
    }
  }
  return { variables, unread };
}
