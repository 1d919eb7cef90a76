// A stock gRPC server that takes profiles as opentelemetry-proto describes them, and spans; it does not know the stream.
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { type DecodedSpan, decodeTraces } from 'tricord/otlp';

interface ValueType {
  readonly type_strindex: number;
  readonly unit_strindex: number;
}

export interface Profile {
  readonly sample_type: ValueType;
  readonly samples: readonly {
    readonly stack_index: number;
    readonly link_index: number;
    readonly values: readonly string[];
    readonly timestamps_unix_nano: readonly string[];
  }[];
  readonly time_unix_nano: string;
  readonly duration_nano: string;
  readonly period_type: ValueType;
  readonly period: string;
  readonly profile_id: Buffer;
}

export interface ProfilesRequest {
  readonly resource_profiles: readonly {
    readonly resource: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value: { readonly string_value?: string };
      }[];
    };
    readonly scope_profiles: readonly {
      readonly scope: { readonly name: string };
      readonly profiles: readonly Profile[];
    }[];
  }[];
  readonly dictionary: {
    readonly mapping_table: readonly object[];
    readonly location_table: readonly { readonly lines: readonly { readonly function_index: number }[] }[];
    readonly function_table: readonly {
      readonly name_strindex: number;
      readonly filename_strindex: number;
      readonly start_line: string;
    }[];
    readonly link_table: readonly { readonly trace_id: Buffer; readonly span_id: Buffer }[];
    readonly string_table: readonly string[];
    readonly attribute_table: readonly object[];
    readonly stack_table: readonly { readonly location_indices: readonly number[] }[];
  };
}

const definitions = loadSync(join(import.meta.dirname, 'profiles.proto'), {
  keepCase: true,
  longs: String,
  defaults: true,
});
const service = definitions[
  'opentelemetry.proto.collector.profiles.v1development.ProfilesService'
] as grpc.ServiceDefinition;
const asIs = (bytes: Buffer): Buffer => bytes;
const traces: grpc.ServiceDefinition = {
  Export: {
    path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
};

/** The request that these bytes are. */
export const decodeProfiles = (bytes: Buffer): ProfilesRequest =>
  service.Export!.requestDeserialize(bytes) as unknown as ProfilesRequest;

/** Emits `profiles` after each request. */
export class ProfilesServer extends EventEmitter {
  readonly requests: ProfilesRequest[] = [];
  readonly spans: DecodedSpan[] = [];
  url = '';
  readonly #server = new grpc.Server();

  /** @param answer what a request of profiles is answered, an error or a response; by default that all is well */
  static async start(
    answer: () => Partial<grpc.StatusObject> | object = () => ({}),
  ): Promise<ProfilesServer> {
    const server = new ProfilesServer();
    server.#server.addService(service, {
      Export: (
        call: grpc.ServerUnaryCall<ProfilesRequest, object>,
        reply: grpc.sendUnaryData<object>,
      ): void => {
        server.requests.push(call.request);
        const given = answer();
        if ('code' in given) reply(given as grpc.StatusObject);
        else reply(null, given);
        server.emit('profiles');
      },
    });
    server.#server.addService(traces, {
      Export: (call: grpc.ServerUnaryCall<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>): void => {
        decodeTraces(call.request, { span: span => void server.spans.push(span) });
        reply(null, Buffer.alloc(0));
      },
    });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    server.#server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    server.url = `http://127.0.0.1:${await promise}`;
    return server;
  }

  /** Resolves when so many requests have come. */
  async until(count: number): Promise<void> {
    while (this.requests.length < count) await once(this, 'profiles');
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
