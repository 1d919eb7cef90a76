// Makes an observer when there is something for it to see: until then it costs the start of the application nothing.

/** @returns what `make` makes, once, when it is first asked for */
export function lazily<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
