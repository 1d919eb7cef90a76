// Loading of data: what was loaded stays while the next is on its way, and a failure is shown where the data would be.
import type { ComponentChild } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export interface Loaded<T> {
  readonly data?: T;
  readonly error?: string;
}

/** Calls `load` whenever one of `inputs` changes; an answer that comes too late is dropped. */
export function useLoaded<T>(load: () => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<Loaded<T>>({});
  useEffect(() => {
    let current = true;
    load().then(
      data => current && setState({ data }),
      (error: unknown) =>
        current && setState(({ data }) => ({ ...(data !== undefined && { data }), error: String(error) })),
    );
    return () => {
      current = false;
    };
  }, inputs);
  return state;
}

/** The data once it is there, a word while it is not, and what went wrong. */
export function Show<T>({
  of,
  children,
}: {
  of: Loaded<T>;
  children: (data: T) => ComponentChild;
}): ComponentChild {
  return (
    <>
      {of.error !== undefined && <p class="failure">{of.error}</p>}
      {of.data !== undefined ? children(of.data) : of.error === undefined && <p class="quiet">Loading …</p>}
    </>
  );
}
