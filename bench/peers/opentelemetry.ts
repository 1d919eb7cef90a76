// The stock OpenTelemetry SDK, started in code, with what the environment configures: OTLP/gRPC and batch processors.
import { logs, metrics, trace } from '@opentelemetry/api';
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import type { Agent } from '../agents/agent.ts';

interface Flushable {
  forceFlush?(): Promise<void>;
  getDelegate?(): Flushable;
}

const flush = async (provider: object): Promise<void> => {
  const flushable = provider as Flushable;
  await (flushable.getDelegate?.() ?? flushable).forceFlush?.();
};

export function start(configuration: Partial<NodeSDKConfiguration> = {}): Agent {
  const sdk = new NodeSDK(configuration);
  sdk.start();
  return {
    flush: async () => {
      await flush(trace.getTracerProvider());
      await flush(metrics.getMeterProvider());
      await flush(logs.getLoggerProvider());
    },
    shutdown: () => sdk.shutdown(),
  };
}
