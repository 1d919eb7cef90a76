// Takes each option from code, the environment or its default, and says what of the environment is of no effect.
import { createRequire } from 'node:module';
import { OptionError } from './errors.ts';
import { nearest, nearestVariable } from './nearest.ts';
import { type Option, printable } from './option-kinds.ts';
import { type Options, optionTable } from './options.ts';
import type { Standing } from './otel-variables.ts';

// Built, what it requires is in a file beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

/** The default endpoint is another one there (OTLP specification, "Default port"). */
const OTLP_HTTP_ENDPOINT = 'http://127.0.0.1:4318';

export interface ReadOptions {
  readonly options: Readonly<Options>;
  /** Variables without effect, each on a line that begins with its name and says what would be right. */
  readonly warnings: readonly string[];
}

/**
 * Options from code over the environment over the defaults. As the OpenTelemetry specification asks, a variable that
 * cannot be used is reported and ignored; empty variables count as unset.
 * @throws OptionError for an unknown or unusable option given in code
 */
export function readOptions(given: Partial<Options> = {}, env: NodeJS.ProcessEnv = process.env): ReadOptions {
  const names = Object.keys(optionTable) as (keyof Options)[];
  const variables = names.map(name => optionTable[name].env);
  const sends = (signal: string): boolean => {
    const name = `${signal.toLowerCase()}Exporter` as 'metricsExporter';
    return !['none', 'prometheus'].includes(given[name] ?? env[optionTable[name].env]?.toLowerCase() ?? '');
  };
  const { env: settled, origins, warnings: ineffective } = standingOf(env, variables, sends);
  const warnings = [...ineffective];
  for (const name of Object.keys(given)) {
    if (!names.includes(name as keyof Options)) {
      throw new OptionError(`Unknown option "${name}". Did you mean "${nearest(name, names)}"?`);
    }
  }
  const read = <K extends keyof Options>(name: K): Options[K] | undefined => {
    const option: Option<Options[K]> = optionTable[name];
    const value = given[name];
    if (value === undefined) return readVariable(option);
    if (option.accepts(value)) return value;
    const shown = option.secret ? '(not shown)' : printable(value);
    throw new OptionError(`Option "${name}" is ${shown}; it takes ${option.shape}.`);
  };
  const readVariable = <T>(option: Option<T>): T => {
    const variable = settled[option.env];
    if (variable === undefined || variable === '') return option.default;
    try {
      return option.parse(variable);
    } catch (error) {
      const shown = option.secret ? '(not shown)' : printable(variable);
      warnings.push(
        `${origins.get(option.env) ?? option.env}=${shown} is ignored: it takes ${(error as Error).message}.`,
      );
      return option.default;
    }
  };
  const options = Object.fromEntries(names.map(name => [name, read(name)])) as unknown as Options;
  if (given.resourceAttributes !== undefined) {
    // Both are merged (resource SDK, "Specifying resource information via an environment variable").
    const variable = readVariable(optionTable.resourceAttributes);
    options.resourceAttributes = { ...variable, ...given.resourceAttributes };
  }
  const isGiven = given.endpoint !== undefined || Boolean(settled[optionTable.endpoint.env]);
  if (options.protocol === 'http/protobuf' && !isGiven) options.endpoint = OTLP_HTTP_ENDPOINT;
  return { options, warnings };
}

/** What the environment says by the options' own variables; what else there is of ours or of OpenTelemetry's is looked at where there is any. */
function standingOf(
  env: NodeJS.ProcessEnv,
  variables: readonly string[],
  sends: (signal: string) => boolean,
): Standing {
  const others = Object.keys(env).filter(
    name => /^(TRICORD|OTEL)_/i.test(name) && env[name] !== '' && !variables.includes(name),
  );
  if (others.length === 0) return { env, origins: new Map(), warnings: [] };
  const { isUnknown, knownVariables, standing } =
    require('./otel-variables.ts') as typeof import('./otel-variables.ts');
  const { warnings, ...found } = standing(env, variables, sends);
  const known = knownVariables(variables);
  // Most likely they are misspelled.
  const unknown = others
    .filter(isUnknown)
    .map(
      name => `${name} is ignored: there is no such variable. Did you mean ${nearestVariable(name, known)}?`,
    );
  return { ...found, warnings: [...unknown, ...warnings] };
}
