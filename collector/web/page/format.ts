// How numbers and times are shown.

/** Three significant digits are what a person compares. */
const digits = (value: number): number =>
  Number.isInteger(value) ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;

export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  if (ms >= 60_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(digits(ms / 1000))} s`;
  if (ms === 0) return '0';
  if (ms >= 1) return `${ms.toFixed(digits(ms))} ms`;
  return `${Math.round(ms * 1000)} µs`;
}

export const formatCount = (items: number): string => items.toLocaleString('en-GB').replaceAll(',', '\u202f');

export function formatRate(perSecond: number | undefined): string {
  return perSecond === undefined || !Number.isFinite(perSecond)
    ? '–'
    : `${perSecond.toFixed(digits(perSecond))}/s`;
}

export function formatShare(share: number | undefined): string {
  return share === undefined || !Number.isFinite(share)
    ? '–'
    : `${(share * 100).toFixed(share >= 0.1 || share === 0 ? 0 : 1)} %`;
}

export const formatTime = (ms: number): string =>
  new Date(ms).toLocaleTimeString(undefined, { hour12: false });

/** The time of a tick: seconds are shown where ticks are closer than a minute. */
export function formatTick(seconds: number, distance: number): string {
  return formatTime(seconds * 1000).slice(0, distance < 60 ? 8 : 5);
}

export const formatDateTime = (ms: number): string =>
  new Date(ms).toLocaleString(undefined, { hour12: false });

/** A colour that a service keeps on every page. */
export function serviceColour(service: string): string {
  let hash = 0;
  for (const letter of service) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  return `var(--service-${hash % 8})`;
}
