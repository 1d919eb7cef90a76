// Ends a call by the promise of a library, and hands that on.

/** What lasts until somebody ends it. */
interface Call<Failure> {
  end(failure?: Failure): void;
}

/**
 * A promise with the same outcome, which must be given to the application in the place of the library's: one that nobody handles
 * stays unhandled then. What is no promise is given back, and has ended.
 * @param failureIn what has failed although the promise is fulfilled; throws nothing
 */
export function observedPromise<Result, Failure>(
  result: Result,
  call: Call<Failure>,
  failureOf: (error: unknown) => Failure | undefined,
  failureIn?: (value: unknown) => Failure | undefined,
): Result {
  const promise = result as Partial<PromiseLike<unknown>> | undefined;
  if (typeof promise?.then !== 'function') {
    call.end();
    return result;
  }
  return promise.then(
    value => {
      call.end(failureIn?.(value));
      return value;
    },
    (error: unknown) => {
      call.end(failureOf(error));
      throw error;
    },
  ) as Result;
}
