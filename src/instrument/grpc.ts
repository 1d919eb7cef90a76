// Finds @grpc/grpc-js, and observes its clients and servers.
import { type ChannelMethods, GrpcClient } from './grpc-client.ts';
import { GrpcServer, type ServerMethods } from './grpc-server.ts';
import { leaveOutGrpc } from './http2-streams.ts';
import { onPackageLoad } from './module-hooks.ts';

/** What the main module exports, as far as it is used. */
interface GrpcExports {
  readonly Channel?: { readonly prototype: ChannelMethods };
  readonly Server?: { readonly prototype: ServerMethods };
}

/** Observes every call of every copy of grpc-js in this thread that is loaded from now on, or is loaded already. */
export function instrumentGrpc(): void {
  onPackageLoad('@grpc/grpc-js', exports => {
    const { Channel, Server } = exports as GrpcExports;
    if (typeof Channel?.prototype.createCall !== 'function') return false;
    if (typeof Server?.prototype.register !== 'function') return false;
    leaveOutGrpc();
    new GrpcClient().observe(Channel.prototype);
    new GrpcServer().observe(Server.prototype);
    return true;
  });
}
