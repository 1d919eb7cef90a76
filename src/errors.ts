// Every failure that tricord reports, each with a stable code.

/** Base of all errors of this project: `code` is stable, the message names the thing and the place. */
export class TricordError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TricordError';
    this.code = code;
  }
}

/** A configuration value that cannot be used. */
export class OptionError extends TricordError {
  constructor(message: string) {
    super('TRICORD_OPTION', message);
  }
}
