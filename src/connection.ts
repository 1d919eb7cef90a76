// Opens the transport as the options say, for the agent and for the stock SDK's components alike; and what makes profiles.
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import type { CollectorWatch } from './collector-watch.ts';
import { processClock } from './context/clock.ts';
import { ObservabilityContext } from './context/observability-context.ts';
import { limits } from './limits.ts';
import { Notices } from './notices.ts';
import type { Options } from './options.ts';
import { readPem } from './pem.ts';
import type { SlowProfiler } from './profile/slow-profiler.ts';
import { encodeResource } from './resource-message.ts';
import { checkTls, type EndpointOptions, parseEndpoint } from './transport/endpoint.ts';
import { compileFields } from './transport/otlp/field-rules.ts';
import type { AttributeList } from './transport/otlp/record.ts';
import { Transport } from './transport/transport.ts';

// Built, what it requires is in a file beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

/** What whoever runs the application should know. */
export const notices: Notices = new Notices(text => process.stderr.write(text));

/** @throws OptionError for an endpoint, header or certificate that cannot be used */
export function checkConnection(options: Readonly<Options>): void {
  const endpoint = endpointOf(options);
  parseEndpoint(endpoint);
  checkTls(endpoint);
}

function endpointOf(options: Readonly<Options>): EndpointOptions {
  return {
    endpoint: options.endpoint,
    headers: options.headers,
    timeoutMs: options.timeout || limits.timeout_ms_max,
    certificate: readPem('certificate', options.certificate),
    clientCertificate: readPem('clientCertificate', options.clientCertificate),
    clientKey: readPem('clientKey', options.clientKey),
  };
}

const unobserved = (run: () => void): void => ObservabilityContext.root.withSuppression(true).run(run);

/**
 * @param watch hears what becomes of the connection
 * @param collect writes into the sink what is gathered elsewhere, before a flush of the whole process
 * @throws OptionError for an endpoint, header, certificate or resource that cannot be used
 */
export function openTransport(
  options: Readonly<Options>,
  resource: AttributeList,
  watch: CollectorWatch,
  collect?: () => void,
): Transport {
  return new Transport({
    ...endpointOf(options),
    protocol: options.protocol,
    instanceId: randomBytes(16),
    resource: encodeResource(resource),
    anchorUnixNanos: processClock.anchorUnixNanos,
    ringBytes: options.ringBytes,
    resendBytes: options.resendBytes,
    fields: compileFields(options.logsFields),
    tracesLingerMs: options.tracesLinger,
    logsLingerMs: options.logsLinger,
    thread: options.transportThread,
    flushTimeoutMs: options.flushTimeout,
    ...(collect !== undefined && { collect }),
    unobserved,
    compression: options.compression || undefined,
    warn: line => watch.warn(line),
    news: news => watch.hear(news),
  });
}

/**
 * Begins to sample this thread. What does it is loaded only here.
 * @throws Error where this Node.js has no inspector
 */
export function openProfiler(
  options: Readonly<Options>,
  resource: AttributeList,
  say: (line: string) => void,
): SlowProfiler {
  const { SlowProfiler } =
    require('./profile/slow-profiler.ts') as typeof import('./profile/slow-profiler.ts');
  return new SlowProfiler({
    ...endpointOf(options),
    protocol: options.protocol,
    intervalMs: options.profilesInterval,
    resource: encodeResource(resource),
    clock: processClock,
    unobserved,
    say,
  });
}
