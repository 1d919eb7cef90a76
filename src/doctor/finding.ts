// What the doctor finds: a sentence, how bad it is, and what to do.

const topics = [
  'runtime',
  'variables',
  'service',
  'application',
  'libraries',
  'agents',
  'collector',
] as const;
export type Topic = (typeof topics)[number];
type Level = 'ok' | 'warning' | 'problem';

export interface Finding {
  readonly topic: Topic;
  readonly level: Level;
  /** What it is about, for programs: a variable, a library, a step. */
  readonly subject: string;
  readonly text: string;
  /** What to do; everything that is not ok has it. */
  readonly advice?: string;
}

export const ok = (topic: Topic, subject: string, text: string): Finding => ({
  ...{ topic, subject, text },
  level: 'ok',
});

export const warning = (topic: Topic, subject: string, text: string, advice: string): Finding => ({
  ...{ topic, subject, text, advice },
  level: 'warning',
});

export const problem = (topic: Topic, subject: string, text: string, advice: string): Finding => ({
  ...{ topic, subject, text, advice },
  level: 'problem',
});

export interface Report {
  readonly tricord: string;
  readonly node: string;
  /** Nothing is a problem. */
  readonly ok: boolean;
  readonly problems: number;
  readonly warnings: number;
  readonly findings: readonly Finding[];
}

export function reportOf(tricord: string, findings: readonly Finding[]): Report {
  const count = (level: Level): number => findings.filter(finding => finding.level === level).length;
  const [problems, warnings] = [count('problem'), count('warning')];
  return { tricord, node: process.versions.node, ok: problems === 0, problems, warnings, findings };
}

const LEVEL_WIDTH = 'problem'.length;

/** The report for a person: by topic, a line for each finding and one below it for what to do. */
export function printed({ findings, problems, warnings }: Report): string {
  const lines = topics.flatMap(topic => {
    const own = findings.filter(finding => finding.topic === topic);
    return own.length === 0 ? [] : [topic, ...own.flatMap(lineOf), ''];
  });
  const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  return `${lines.join('\n')}\n${many(problems, 'problem')}, ${many(warnings, 'warning')}\n`;
}

function lineOf({ level, text, advice }: Finding): string[] {
  const first = `  ${level.padEnd(LEVEL_WIDTH)}  ${harmless(text)}`;
  return advice === undefined ? [first] : [first, `  ${' '.repeat(LEVEL_WIDTH)}  → ${harmless(advice)}`];
}

/** Names and messages of others must not move the cursor or end the line. */
function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, character => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
