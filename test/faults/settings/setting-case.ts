// What a case of wrong settings is, and what each part draws its cases from.
import type { Option } from '../../../src/option-kinds.ts';
import { optionTable } from '../../../src/options.ts';
import { specification } from '../../../src/otel-variables.ts';

export type Random = () => number;
export type Env = Readonly<Record<string, string>>;

export interface SettingCase {
  readonly env: Env;
  /** What the agent and the doctor must both name: variables, a file, a collector's address. Nothing else may they complain about. */
  readonly wrong: readonly string[];
  /** Nothing can be sent: the doctor has a problem with the collector, in whatever words. */
  readonly unreachable?: boolean;
}

/** Cases by number; which one a number stands for is the seed's affair where chance has a part in it. */
export interface CaseSource {
  readonly count: number;
  caseAt(point: number, random: Random): SettingCase;
}

export const options: readonly Option<unknown>[] = Object.values(
  optionTable as Readonly<Record<string, Option<unknown>>>,
);
const optionNames: readonly string[] = options.map(({ env }) => env);

/** Variables of the specification that are no options. */
export const others: readonly (readonly [name: string, kind: string])[] = specification
  .flatMap(({ variables }) => Object.entries(variables))
  .filter(([name]) => !optionNames.includes(name))
  .map(([name, fate]) => [name, fate.kind]);

export const known: readonly string[] = [...optionNames, ...others.map(([name]) => name)];

/** In the place of secrets: nobody may repeat it. */
export const CANARY = 'canary';

export function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)]!;
}
