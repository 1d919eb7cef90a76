// Every component type that a configuration may name. A new one is a file and a line here.
import type { Registry } from './factory.ts';

export const registry: Registry = {
  receivers: {
    otlp: async () => (await import('./receivers/otlp.ts')).otlpReceiver,
  },
  processors: {
    attributes: async () =>
      (await import('./processors/attributes/attributes-processor.ts')).attributesProcessor,
  },
  exporters: {
    debug: async () => (await import('./exporters/debug-exporter.ts')).debugExporter,
    otlp: async () => (await import('./exporters/otlp/otlp-exporter.ts')).otlpExporter,
    store: async () => (await import('./exporters/store/store-exporter.ts')).storeExporter,
  },
  connectors: {
    forward: async () => (await import('./connectors/forward-connector.ts')).forwardConnector,
  },
};
