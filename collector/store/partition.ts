// Which hour a row belongs to on disk, so that retention and time ranges deal with whole files.

const HOUR_MS = 3_600_000;
const HOURS_BACK = 48;
const HOURS_AHEAD = 2;

/**
 * A partition is an hour of event time when that is near the time of arrival: hours since the Unix epoch, positive.
 * What lies further off (clocks that are wrong, old data brought in) shares one partition per hour of arrival,
 * the negative of it: so hostile timestamps make at most {@link HOURS_BACK} + {@link HOURS_AHEAD} + 2 partitions at once.
 */
export function partitionOf(time: number, arrived: number): number {
  const hour = Math.floor(time / HOUR_MS);
  const arrival = Math.floor(arrived / HOUR_MS);
  return hour >= arrival - HOURS_BACK && hour <= arrival + HOURS_AHEAD && hour > 0 ? hour : -arrival;
}

/** `2026112208` or, for what lies off its time, `stray-2026112208`. */
export function partitionName(partition: number): string {
  const hour = new Date(Math.abs(partition) * HOUR_MS).toISOString().slice(0, 13).replace(/[-T]/g, '');
  return partition < 0 ? `stray-${hour}` : hour;
}
