// The stock OpenTelemetry SDK with its instrumentation of pino.
import { PinoInstrumentation } from '@opentelemetry/instrumentation-pino';
import type { Agent } from '../agents/agent.ts';
import { start as startSdk } from './opentelemetry.ts';

export function start(): Agent {
  return startSdk({ instrumentations: [new PinoInstrumentation()] });
}
