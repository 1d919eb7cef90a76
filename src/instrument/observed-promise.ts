// Ends a call by the promise of a library, and hands that on.
import type { DatabaseCall, Failure } from './database-client.ts';

/**
 * A promise with the same outcome, which must be given to the application in the place of the library's: one that nobody handles
 * stays unhandled then. What is no promise is given back, and has ended.
 */
export function observedPromise<Result>(
  result: Result,
  call: DatabaseCall,
  failureOf: (error: unknown) => Failure | undefined,
): Result {
  const promise = result as Partial<PromiseLike<unknown>> | undefined;
  if (typeof promise?.then !== 'function') {
    call.end();
    return result;
  }
  return promise.then(
    value => {
      call.end();
      return value;
    },
    (error: unknown) => {
      call.end(failureOf(error));
      throw error;
    },
  ) as Result;
}
