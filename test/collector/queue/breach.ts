// A promise of the queue that did not hold, by kind: a test fails with it, the fault tool counts it.
import { AssertionError } from 'node:assert';

/**
 * `lost`: acknowledged, and not there. `twice`: there more than once. `invented`: there, and offered by nobody.
 * `silent`: damage that nothing reports. `stuck`: does not start, or does not go on, by itself. `early`: acknowledged
 * before it was durable. `unbounded`: more memory than is allowed. `crashed`: an error that nobody expects.
 */
export type BreachKind =
  | 'lost'
  | 'twice'
  | 'invented'
  | 'silent'
  | 'stuck'
  | 'early'
  | 'unbounded'
  | 'crashed';

export class Breach extends AssertionError {
  readonly kind: BreachKind;

  constructor(kind: BreachKind, message: string) {
    super({ message: `${kind}: ${message}` });
    this.kind = kind;
  }
}

/** @throws Breach unless the promise holds */
export function promise(holds: boolean, kind: BreachKind, message: string): asserts holds {
  if (!holds) throw new Breach(kind, message);
}

/** What is there: each of the wanted at least, nothing twice. */
export function promiseExactly(texts: readonly string[], wanted: Iterable<string>): void {
  const present = new Set<string>();
  for (const text of texts) {
    promise(!present.has(text), 'twice', shortened(text));
    present.add(text);
  }
  for (const text of wanted) promise(present.has(text), 'lost', shortened(text));
}

export function shortened(text: string): string {
  return text.trim().slice(0, 24);
}
