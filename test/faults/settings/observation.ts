// Runs the application and the doctor with the settings of a case, and says what was not as promised.
import { join } from 'node:path';
import type { Finding, Report } from '../../../src/doctor/finding.ts';
import { tricord } from '../../doctor/examination.ts';
import { type Run, run, withAgent, withNothing } from '../../register/application.ts';
import { CANARY, type Env, type SettingCase } from './setting-case.ts';

const application = join(import.meta.dirname, 'settings-app.cjs');
const planted = ['--import', join(import.meta.dirname, 'planted-child.ts')];
/** Neither of them may take longer on a busy machine. */
const RUN_MS_MAX = 60_000;

export const promises = {
  changed: 'applications whose output, exit code or end is another',
  unnamed: 'wrong settings that the agent does not name',
  undiagnosed: 'wrong settings that the doctor does not name',
  accused: 'complaints about what is not wrong',
  failed: 'doctors that failed',
  shown: 'secrets that were repeated',
} as const;
export type Kind = keyof typeof promises;
export type Breach = readonly [kind: Kind, message: string];

/** @param bare how the application ends without the agent */
export async function observe(
  { env, wrong, unreachable = false }: SettingCase,
  {
    bare,
    collector,
    bug,
  }: { readonly bare: Run; readonly collector: string; readonly bug?: string | undefined },
): Promise<Breach[]> {
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: collector, ...env };
  const more: Env = bug === undefined ? {} : { FAULT_PLANT: bug };
  const flags = bug === undefined ? withAgent : planted;
  const options = { flags, env: { ...settings, ...more }, timeoutMs: RUN_MS_MAX };
  const [seen, said] = await Promise.all([
    run(application, options),
    tricord(['doctor', '--json', '--', ...withAgent, application], { env: settings }),
  ]);
  const report = reportOf(said.stdout);
  if (report === undefined || said.stderr !== '')
    return [['failed', `${said.code} ${said.stdout}${said.stderr}`], ...judgeRun(seen, bare, wrong)];
  return [
    ...judgeRun(seen, bare, wrong),
    ...judgeReport(report, wrong, unreachable),
    ...(`${seen.stderr}${said.stdout}`.includes(CANARY) ? [['shown', CANARY] as const] : []),
  ];
}

export const bareRun = (): Promise<Run> => run(application, { flags: withNothing, env: {} });

function reportOf(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report;
  } catch {
    return undefined;
  }
}

const names = (text: string, name: string): boolean =>
  text.split(name).some((_, i, parts) => i > 0 && !/^\w/.test(parts[i]!) && !/\w$/.test(parts[i - 1]!));

/** The agent's lines are its own; all else is the application's. */
function judgeRun(seen: Run, bare: Run, wrong: readonly string[]): Breach[] {
  const lines = seen.stderr.split(/(?<=\n)/);
  const own = lines.filter(line => line.startsWith('tricord: '));
  const rest = { ...seen, stderr: lines.filter(line => !own.includes(line)).join('') };
  return [
    ...(JSON.stringify(rest) === JSON.stringify(bare) ? [] : [['changed', JSON.stringify(rest)] as const]),
    ...wrong
      .filter(name => !own.some(line => names(line, name)))
      .map(name => ['unnamed', `${name}: ${own.join('').trimEnd() || 'nothing is said'}`] as const),
    ...own
      .filter(line => !wrong.some(name => names(line, name)))
      .map(line => ['accused', line.trimEnd()] as const),
  ];
}

function judgeReport({ findings, ok }: Report, wrong: readonly string[], unreachable: boolean): Breach[] {
  const bad = findings.filter(
    ({ topic, subject, level }) =>
      level !== 'ok' && (topic === 'variables' || topic === 'collector' || /^(names$|stock:)/.test(subject)),
  );
  const all = ({ subject, text, advice }: Finding): string => [subject, text, advice].join(' ');
  const isWrong = (finding: Finding): boolean =>
    wrong.some(name => names(all(finding), name)) || (unreachable && finding.topic === 'collector');
  return [
    ...(unreachable && !bad.some(({ topic }) => topic === 'collector')
      ? [['undiagnosed', `the collector at ${wrong.join()}, ok: ${ok}`] as const]
      : []),
    ...wrong
      .filter(name => !unreachable && !bad.some(finding => names(all(finding), name)))
      .map(name => ['undiagnosed', `${name}: ${bad.map(all).join(' | ') || 'nothing is said'}`] as const),
    ...bad.filter(finding => !isWrong(finding)).map(finding => ['accused', all(finding)] as const),
  ];
}
