// Opens the transport as the options say, for the agent and for the stock SDK's components alike.
import { randomBytes } from 'node:crypto';
import { processClock } from './context/clock.ts';
import { ObservabilityContext } from './context/observability-context.ts';
import { limits } from './limits.ts';
import { type Options, readPem } from './options.ts';
import { checkTls, type EndpointOptions, parseEndpoint } from './transport/endpoint.ts';
import type { AttributeList } from './transport/otlp/record.ts';
import { Writer } from './transport/otlp/writer.ts';
import { Transport } from './transport/transport.ts';

/** What whoever runs the application should know, on one line of stderr. */
export function tell(line: string): void {
  process.stderr.write(`tricord: ${line.replace(/\s*\n\s*/g, ' | ')}\n`);
}

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

/** @throws OptionError for an endpoint, header, certificate or resource that cannot be used */
export function openTransport(options: Readonly<Options>, resource: AttributeList): Transport {
  return new Transport({
    ...endpointOf(options),
    protocol: options.protocol,
    instanceId: randomBytes(16),
    resource: encodeResource(resource),
    anchorUnixNanos: processClock.anchorUnixNanos,
    ringBytes: options.ringBytes,
    resendBytes: options.resendBytes,
    tracesLingerMs: options.tracesLinger,
    logsLingerMs: options.logsLinger,
    thread: options.transportThread,
    unobserved: run => ObservabilityContext.root.withSuppression(true).run(run),
    warn: tell,
  });
}

const RESOURCE_BYTES_START = 4096;

/** The message `opentelemetry.proto.resource.v1.Resource`; the transport bounds its size. */
function encodeResource(resource: AttributeList): Uint8Array {
  for (let size = RESOURCE_BYTES_START; ; size *= 2) {
    const writer = new Writer(new Uint8Array(size));
    writer.attributes(1, resource);
    if (!writer.overflowed) return writer.bytes.subarray(0, writer.pos);
  }
}
