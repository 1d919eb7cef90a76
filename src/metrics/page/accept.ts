// What a page is written in: what the reader likes best of what there is.

/** A way to write the page, by its media type. */
export type PageFormat = 'protobuf' | 'openMetrics' | 'plain';

export const mediaTypes: Readonly<Record<PageFormat, string>> = {
  protobuf: 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
  openMetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  plain: 'text/plain; version=0.0.4; charset=utf-8',
};

/** By `Accept` (RFC 9110 §12.5.1), the first of those with the highest weight; plain text when there is none of them. */
export function acceptedFormat(accept: string | undefined): PageFormat {
  let best: PageFormat = 'plain';
  let highest = 0;
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase());
    const given = new Map(parameters.map(each => each.split('=') as [string, string | undefined]));
    const format = formatOf(type, given);
    const weight = Number(given.get('q') ?? 1);
    if (format === undefined || !(weight > highest)) continue;
    best = format;
    highest = weight;
  }
  return best;
}

function formatOf(type: string, given: ReadonlyMap<string, string | undefined>): PageFormat | undefined {
  if (type === 'application/openmetrics-text')
    return (given.get('version') ?? '1.0.0') === '1.0.0' ? 'openMetrics' : undefined;
  if (type === 'application/vnd.google.protobuf')
    return given.get('proto') === 'io.prometheus.client.metricfamily' && given.get('encoding') === 'delimited'
      ? 'protobuf'
      : undefined;
  if (type === 'text/plain') return (given.get('version') ?? '0.0.4') === '0.0.4' ? 'plain' : undefined;
  return type === '*/*' || type === 'text/*' ? 'plain' : undefined;
}
