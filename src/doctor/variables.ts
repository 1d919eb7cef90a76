// Judges the OTEL_* and TRICORD_* variables that are set.
import type { Option } from '../option-kinds.ts';
import { optionTable, readOptions } from '../options.ts';
import { isForeign, specification } from '../otel-variables.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

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

export function judgeVariables(env: NodeJS.ProcessEnv): Finding[] {
  const { warnings } = readOptions({}, env);
  const judged = Object.keys(env)
    .filter(name => /^(OTEL|TRICORD)_/.test(name))
    .sort()
    .map(name => judge(name, env[name]!, warnings));
  return judged.length > 0
    ? judged
    : [ok('variables', 'none', 'no OTEL_* or TRICORD_* variable is set: the defaults hold')];
}

function judge(name: string, value: string, warnings: readonly string[]): Finding {
  const complaint = warnings.find(line => line.startsWith(`${name} `) || line.startsWith(`${name}=`));
  if (complaint !== undefined) return complain(name, complaint);
  if (value === '') return ok('variables', name, `${name} is empty, which is as if it were not set`);
  if (isForeign(name)) return ok('variables', name, `${name} is for another language, or for the operator`);
  const note = notes.get(name);
  if (note !== undefined) return ok('variables', name, `${name}: ${note}`);
  return ok('variables', name, `${name}=${shown(name, value)} is honoured`);
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
