// The series and values that every metric workload writes to, so that all write the same.

export interface Series {
  readonly method: string;
  readonly route: string;
}

const methods = ['GET', 'POST'];
const routes = ['/', '/products', '/products/:sku', '/orders', '/orders/:id', '/cart', '/login', '/health'];

export const series: readonly Series[] = methods.flatMap(method => routes.map(route => ({ method, route })));

/** Picks the series of an operation; a power of two, so that the workload itself costs next to nothing. */
export const SERIES_MASK: number = series.length - 1;

const values: readonly number[] = Array.from({ length: 4096 }, (_, at) => ((at * 7919) % 12_007) * 0.1);

/** A duration in milliseconds: spread over the buckets, and over the decimals as measured ones are. */
export const measurement = (number: number): number => values[number & 4095]!;

/** OpenTelemetry's default boundaries, in milliseconds. */
export const boundaries: number[] = [
  0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
];
