// The `otlp` receiver: its settings, and its two listeners. The stream shares the port of gRPC.
import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { readPem, type ServerTls, serverTls } from '../config/tls.ts';
import { type Endpoint, endpoint } from '../config/values.ts';
import {
  type ComponentContext,
  factory,
  type Intake,
  type Receiver,
  type ReceiverFactory,
} from '../factory.ts';
import { StartError } from '../listen.ts';
import { Admission } from './admission.ts';
import { GrpcListener } from './otlp-grpc.ts';
import { HttpListener } from './otlp-http.ts';
import type { RequestMemory } from './request-memory.ts';
import { StreamService } from './stream.ts';

interface ProtocolSettings {
  readonly endpoint: Endpoint;
  readonly tls?: ServerTls | undefined;
}

interface OtlpReceiverSettings {
  readonly protocols: {
    readonly grpc?: ProtocolSettings | undefined;
    readonly http?: ProtocolSettings | undefined;
  };
}

/** A protocol that is named without settings listens on its default endpoint; one that is not named does not listen. */
function protocol(defaultEndpoint: string): z.ZodType<ProtocolSettings | undefined, unknown> {
  const shape = z.strictObject({ endpoint: endpoint.prefault(defaultEndpoint), tls: serverTls });
  return z.preprocess(value => (value === null ? {} : value), shape).optional();
}

const schema: z.ZodType<OtlpReceiverSettings> = z.strictObject({
  protocols: z
    .strictObject({ grpc: protocol('127.0.0.1:4317'), http: protocol('127.0.0.1:4318') })
    .refine(({ grpc, http }) => grpc !== undefined || http !== undefined, {
      error: 'no protocol; name grpc, http or both',
    }),
});

export const otlpReceiver: ReceiverFactory = factory(schema, async (...inputs) => {
  return new OtlpReceiver(...inputs);
});

class OtlpReceiver implements Receiver {
  readonly #listeners: ReadonlyMap<string, GrpcListener | HttpListener>;

  constructor(
    { protocols }: OtlpReceiverSettings,
    context: ComponentContext,
    intake: Intake,
    memory: RequestMemory,
  ) {
    const listeners = new Map<string, GrpcListener | HttpListener>();
    const keyOf = (name: string): string => `receivers.${context.id}.protocols.${name}`;
    if (protocols.grpc !== undefined) {
      const key = keyOf('grpc');
      const tls = tlsOptions(protocols.grpc.tls, key);
      const admission = new Admission(context, 'grpc', intake);
      const streams = new StreamService(context, intake, memory);
      listeners.set(
        'grpc',
        new GrpcListener(protocols.grpc.endpoint, `${key}.endpoint`, tls, admission, streams, memory),
      );
    }
    if (protocols.http !== undefined) {
      const key = keyOf('http');
      const tls = tlsOptions(protocols.http.tls, key);
      const admission = new Admission(context, 'http', intake);
      listeners.set(
        'http',
        new HttpListener(protocols.http.endpoint, `${key}.endpoint`, tls, admission, memory),
      );
    }
    this.#listeners = listeners;
  }

  async start(): Promise<void> {
    for (const listener of this.#listeners.values()) await listener.start();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map(listener => listener.stop()));
  }

  endpoints(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#listeners].map(([name, listener]) => [name, listener.address()]));
  }
}

interface Pem {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
}

function tlsOptions(tls: ServerTls | undefined, at: string): Pem | undefined {
  if (tls === undefined) return undefined;
  const verify = tls.client_ca_file !== undefined;
  const pem = {
    cert: readPem(tls.cert_file, `${at}.tls.cert_file`),
    key: readPem(tls.key_file, `${at}.tls.key_file`),
    ...(verify && { ca: readPem(tls.client_ca_file!, `${at}.tls.client_ca_file`) }),
    requestCert: verify,
    rejectUnauthorized: verify,
  };
  try {
    createSecureContext(pem);
  } catch (error) {
    throw new StartError(`${at}.tls: certificate and key cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return pem;
}
