// What the agent is configured with: options in code, the variables, and in the place of OpenTelemetry's the file of OTEL_CONFIG_FILE.
import { createRequire } from 'node:module';
import type { CheckedView } from './metrics/view.ts';
import type { Options } from './options.ts';
import { type ReadOptions, readOptions } from './read-options.ts';

// Built, what it requires is in files beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

export interface Configured extends ReadOptions {
  /** Those of the file. */
  readonly views: readonly CheckedView[];
}

/**
 * Options from code over those of the file, or of the variables, over the defaults. With `OTEL_CONFIG_FILE` the file's
 * settings take the place of the other `OTEL_` variables, as the specification asks. What reads it is loaded only then.
 * @throws OptionError for an option given in code, a file or a view in it that cannot be used
 */
export function configured(given: Partial<Options>, env: NodeJS.ProcessEnv): Configured {
  const path = env.OTEL_CONFIG_FILE;
  if (!path) return { ...readOptions(given, env), views: [] };
  const { readConfigurationFile } =
    require('./configuration-file.ts') as typeof import('./configuration-file.ts');
  const file = readConfigurationFile(path, env);
  const { options, warnings } = readOptions({ ...file.given, ...given }, withoutOtel(env));
  const { CheckedView } = require('./metrics/view.ts') as typeof import('./metrics/view.ts');
  const views = file.views.map(({ view, path: place }) => new CheckedView(view, place));
  return { options, warnings: [...file.warnings, ...warnings], views };
}

/** What is left of the variables beside a file. */
export function withoutOtel(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('OTEL_')));
}
