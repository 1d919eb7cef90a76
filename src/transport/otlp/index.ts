// `tricord/otlp`: the wire codec that the agent and the collector share.
export * from './record.ts';
export * from './writer.ts';
export * from './stream-frame.ts';
