// What `error.type` says of an exception.

const OTHER = '_OTHER';

/** Its code (`ECONNRESET`), else its class. */
export function errorType(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  if (typeof code === 'string' && code !== '') return code;
  if (error instanceof Error && name === 'Error') return error.constructor.name || name;
  return typeof name === 'string' && name !== '' ? name : OTHER;
}
