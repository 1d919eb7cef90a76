// An agent's account held beside what its application did and what the collector's store holds.
import type { ServiceReport } from './service-child.ts';
import type { StoreContents } from './store-contents.ts';

/** Of spans and lines of log; metrics go on until the process ends. */
const signals = { traces: 'spans', logs: 'logs' } as const;
type Counted = keyof typeof signals;
const counted = Object.keys(signals) as Counted[];

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** What the application gave to the agent. */
const given = ({ requests, lines }: ServiceReport): Readonly<Record<Counted, number>> => ({
  traces: requests,
  logs: lines,
});

export const droppedBy = ({ stats }: ServiceReport, signal: Counted): number =>
  total(Object.values(stats.signals[signal].dropped));

/** Items that the agent has neither settled nor counted as left out or dropped, or that it has counted twice. */
export function unaccounted(reports: readonly ServiceReport[]): number {
  return total(
    reports.flatMap(report =>
      counted.map(signal => {
        const { accepted, pending, gap, leftOut } = report.stats.signals[signal];
        const missing = given(report)[signal] - accepted - leftOut - droppedBy(report, signal);
        return Math.abs(missing) + Math.abs(pending) + Math.abs(gap);
      }),
    ),
  );
}

/** Of the items in such a state at the agents, those that the store does not have once. */
export function missing(
  reports: readonly ServiceReport[],
  state: 'accepted' | 'delivered',
  contents: StoreContents,
): number {
  return total(
    counted.map(signal => {
      const { rows, twice } = contents[signals[signal]];
      return Math.max(0, total(reports.map(({ stats }) => stats.signals[signal][state])) - (rows - twice));
    }),
  );
}

/** Rows that nobody has sent or that are there twice. */
export function superfluous(reports: readonly ServiceReport[], contents: StoreContents): number {
  const invented = counted.map(signal => {
    const { rows, twice } = contents[signals[signal]];
    return Math.max(0, rows - twice - total(reports.map(({ stats }) => stats.signals[signal].accepted)));
  });
  return total([...invented, ...Object.values(contents).map(({ twice }) => twice)]);
}
