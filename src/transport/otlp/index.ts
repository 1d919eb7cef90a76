// `tricord/otlp`: the wire codec that the agent and the collector share.
export * from './check.ts';
export * from './decode.ts';
export type * from './decode-log.ts';
export type * from './decode-metric.ts';
export type * from './decode-point.ts';
export type * from './decode-span.ts';
export type { KeyValue } from './decode-value.ts';
export * from './json.ts';
export * from './json-text.ts';
export * from './prometheus-name.ts';
export * from './reader.ts';
export * from './record.ts';
export * from './response.ts';
export * from './stream-frame.ts';
export * from './writer.ts';
