// What is given to the OpenTelemetry API's `diag` while something runs.
import { diag } from '@opentelemetry/api';

export function warnings(run: () => void): string[] {
  const given: string[] = [];
  const ignore = (): void => {};
  diag.setLogger(
    { warn: message => given.push(message), error: ignore, info: ignore, debug: ignore, verbose: ignore },
    { suppressOverrideMessage: true },
  );
  try {
    run();
  } finally {
    diag.disable();
  }
  return given;
}
