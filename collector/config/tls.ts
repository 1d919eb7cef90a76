// TLS settings, under the OpenTelemetry Collector's keys, and the files they name.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { StartError } from '../listen.ts';

/** `tls` of a receiver. With `client_ca_file`, clients need a certificate of that authority. */
export const serverTls: z.ZodType<ServerTls | undefined, unknown> = z
  .strictObject({
    cert_file: z.string(),
    key_file: z.string(),
    client_ca_file: z.string().optional(),
  })
  .optional();

export interface ServerTls {
  readonly cert_file: string;
  readonly key_file: string;
  readonly client_ca_file?: string | undefined;
}

/** `tls` of an exporter. */
export const clientTls: z.ZodType<ClientTls, unknown> = z
  .strictObject({
    /** Plain text, no TLS at all. */
    insecure: z.boolean().default(false),
    ca_file: z.string().optional(),
    cert_file: z.string().optional(),
    key_file: z.string().optional(),
    /** The name that the server's certificate must carry, when it is not the endpoint's. */
    server_name_override: z.string().optional(),
  })
  .refine(tls => (tls.cert_file === undefined) === (tls.key_file === undefined), {
    error: 'cert_file and key_file go together',
  })
  .prefault({});

export interface ClientTls {
  readonly insecure: boolean;
  readonly ca_file?: string | undefined;
  readonly cert_file?: string | undefined;
  readonly key_file?: string | undefined;
  readonly server_name_override?: string | undefined;
}

/** @throws StartError that names the file, the key and the reason */
export function readPem(file: string, key: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new StartError(`${key}: ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
