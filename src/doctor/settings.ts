// What the agent would be configured with in an environment, and what of that it would complain about.
import { configured, withoutOtel } from '../configuration.ts';
import { OptionError } from '../errors.ts';
import { type ReadOptions, readOptions } from '../read-options.ts';

export interface Settings extends ReadOptions {
  /** The file of OTEL_CONFIG_FILE. */
  readonly file: string | undefined;
  /** Why the agent would not start with that file; the options are those without it. */
  readonly fault: string | undefined;
}

export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const file = env.OTEL_CONFIG_FILE || undefined;
  try {
    const { options, warnings } = configured({}, env);
    return { options, warnings, file, fault: undefined };
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    return { ...readOptions({}, withoutOtel(env)), file, fault: error.message };
  }
}
