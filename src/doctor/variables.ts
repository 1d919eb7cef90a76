// Judges the OTEL_* and TRICORD_* variables that are set.
import type { Option } from '../option-kinds.ts';
import { optionTable } from '../options.ts';
import { isForeign, specification } from '../otel-variables.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import type { Settings } from './settings.ts';

const SHOWN_UNITS_MAX = 80;

const notes: ReadonlyMap<string, string> = new Map(
  specification.flatMap(({ variables }) =>
    Object.entries(variables).flatMap(([name, fate]) =>
      fate.kind === 'moot' ? [[name, fate.note.replaceAll('`', '')] as const] : [],
    ),
  ),
);
const secrets = Object.values(optionTable as Readonly<Record<string, Option<unknown>>>)
  .filter(({ secret }) => secret)
  .map(({ env }) => env);

export function judgeVariables(env: NodeJS.ProcessEnv, settings: Settings): Finding[] {
  const judged = Object.keys(env)
    .filter(name => /^(OTEL|TRICORD)_/i.test(name))
    .sort()
    .map(name => judge(name, env[name]!, settings));
  const none = ok('variables', 'none', 'no OTEL_* or TRICORD_* variable is set: the defaults hold');
  return [...(judged.length > 0 ? judged : [none]), ...judgeLines(settings)];
}

function judge(name: string, value: string, { warnings, file, fault }: Settings): Finding {
  const complaint = warnings.find(line => line.startsWith(`${name} `) || line.startsWith(`${name}=`));
  if (complaint !== undefined) return complain(name, complaint);
  if (value === '') return ok('variables', name, `${name} is empty, which is as if it were not set`);
  if (name === CONFIG_FILE) return judgeConfigFile(value, fault);
  if (isForeign(name)) return ok('variables', name, `${name} is for another language, or for the operator`);
  if (file !== undefined && name.startsWith('OTEL_'))
    return ok('variables', name, `${name} counts only where the file of ${CONFIG_FILE} names it`);
  const note = notes.get(name);
  if (note !== undefined) return ok('variables', name, `${name}: ${note}`);
  return ok('variables', name, `${name}=${shown(name, value)} is honoured`);
}

const CONFIG_FILE = 'OTEL_CONFIG_FILE';

function judgeConfigFile(path: string, fault: string | undefined): Finding {
  if (fault !== undefined)
    return problem('variables', CONFIG_FILE, fault, 'the agent does not start with this file: correct it');
  return ok('variables', CONFIG_FILE, `${path} is followed, in the place of every other OTEL_* variable`);
}

/** What the file says that is not followed; each has its line and column. */
function judgeLines({ warnings, file }: Settings): Finding[] {
  const own = warnings.filter(line => file !== undefined && line.startsWith(`${file}:`));
  return own.map(line => {
    const [, what = line, place = line, why = ''] =
      /^((.*?:\d+:\d+): .*? is ignored): (.*)\.$/.exec(line) ?? [];
    return warning('variables', place, what, `${why}; see docs/configuration-file.md`);
  });
}

/** A misspelled name or an impossible value is a problem; what the agent does differently by design is to be known. */
function complain(name: string, line: string): Finding {
  const [, what, advice] = /^(.*? is ignored)[.:] ?(.*)$/.exec(line) ?? ['', line, ''];
  const unusable = line.startsWith(`${name}=`) || line.includes('there is no such variable');
  return (unusable ? problem : warning)('variables', name, what!, advice || 'see docs/opentelemetry.md');
}

function shown(name: string, value: string): string {
  const isSecret = secrets.includes(name) || /_HEADERS$/.test(name);
  return isSecret ? '(not shown)' : value.replace(/\/\/[^/@]*@/, '//***@').slice(0, SHOWN_UNITS_MAX);
}
