// Finds the name that somebody may have meant.

/** The candidate that takes the fewest changes; case does not count. */
export function nearest(name: string, candidates: readonly string[]): string {
  return cheapest(candidates, candidate => editDistance(name, candidate));
}

/** The same for variables, of which somebody may know the end alone: `TRICORD_SAMPLER` is near to `OTEL_TRACES_SAMPLER`. */
export function nearestVariable(name: string, candidates: readonly string[]): string {
  const [, ...words] = name.split('_');
  const end = words.join('_');
  const costOfEnd = (candidate: string): number => {
    const changes = editDistance(end, candidate.split('_').slice(-words.length).join('_'));
    return changes * 2 < end.length ? changes + 1 : Number.POSITIVE_INFINITY;
  };
  return cheapest(candidates, candidate => Math.min(editDistance(name, candidate), costOfEnd(candidate)));
}

/** The first of those with the lowest cost. */
function cheapest(candidates: readonly string[], costOf: (candidate: string) => number): string {
  const costs = candidates.map(candidate => [costOf(candidate), candidate] as const);
  return costs.reduce((best, next) => (next[0] < best[0] ? next : best))[1];
}

/** Levenshtein distance, case ignored. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1]!.toLowerCase() === b[j - 1]!.toLowerCase();
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
