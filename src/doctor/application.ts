// Looks at the application's file: what Node.js takes it for, and which libraries a bundler has put into it.
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { type Library, libraries } from '../instrument/libraries.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

export interface Application {
  readonly file: string;
  readonly folder: string;
  readonly source: string;
}

/** A larger file is not looked into. */
const SOURCE_BYTES_MAX = 256 * 1024 * 1024;

/** The file that Node.js would run; undefined when it would find none. */
export function findApplication(given: string, cwd: string): Application | undefined {
  const path = resolve(cwd, given);
  try {
    const file = realpathSync(existsSync(path) && statSync(path).isFile() ? path : resolveAsRequired(path));
    const source = statSync(file).size > SOURCE_BYTES_MAX ? '' : readFileSync(file, 'utf8');
    return { file, folder: dirname(file), source };
  } catch {
    return undefined;
  }
}

/** `node app` and `node folder` are found as `require` finds them. */
const resolveAsRequired = (path: string): string =>
  createRequire(join(dirname(path), 'index.js')).resolve(path);

export function judgeApplication({ file, source }: Application, flags: readonly string[]): Finding[] {
  const name = basename(file);
  const kind = isModule(file, source) ? 'an ES module' : 'CommonJS';
  const found = ok('application', 'file', `${name} is ${kind}: ${file}`);
  const typescript = /^\.[mc]?ts$/.test(extname(file)) ? [judgeTypeScript(name, flags)] : [];
  return [found, ...typescript, ...judgeBundle(name, source)];
}

function judgeTypeScript(name: string, flags: readonly string[]): Finding {
  const strips =
    Boolean(process.features.typescript) || flags.some(flag => /-(strip|transform)-types$/.test(flag));
  return strips
    ? ok('application', 'typescript', `${name} is TypeScript, which Node.js runs as it is`)
    : problem(
        'application',
        'typescript',
        `${name} is TypeScript, which this Node.js does not run by itself`,
        'add --experimental-strip-types, or run Node.js 22.18 or later',
      );
}

/** As Node.js decides: by the extension, by the nearest package.json, by the syntax. */
function isModule(file: string, source: string): boolean {
  const extension = extname(file);
  if (/^\.m[jt]s$/.test(extension)) return true;
  if (/^\.c[jt]s$/.test(extension)) return false;
  const type = typeOf(dirname(file));
  if (type !== undefined) return type === 'module';
  return /(^|[;}])\s*(import\s*[\w{*'"]|export\s*[\w{*])/m.test(source);
}

function typeOf(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    try {
      const { type } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as { type?: unknown };
      return typeof type === 'string' ? type : undefined;
    } catch {
      // Not there, or none: the next folder above decides.
    }
    if (at === dirname(at)) return undefined;
  }
}

/** The libraries whose own source stands in the file. */
function bundledLibraries(source: string): Library[] {
  return libraries.filter(({ signature }) => source.includes(signature));
}

function judgeBundle(name: string, source: string): Finding[] {
  return bundledLibraries(source).map(library => {
    const { bundled } = library;
    const subject = `bundled:${library.name}`;
    const text = `${library.name} is bundled into ${name}`;
    if (bundled === undefined)
      return ok('application', subject, `${text}, and observed there by its diagnostics channels`);
    if (bundled.cured?.test(source))
      return ok('application', subject, `${text}, with what instruments it there`);
    const judge = bundled.whole ? problem : warning;
    return judge('application', subject, `${text}: ${bundled.what}`, bundled.advice);
  });
}
