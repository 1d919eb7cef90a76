// Workload: the end of the way, an OTLP/gRPC receiver that counts spans and keeps none, and says when they are all there.
import { performance } from 'node:perf_hooks';
import { GrpcServer, unaryMethod } from '../../collector/receivers/grpc-server.ts';
import { Reader } from '../../src/transport/otlp/reader.ts';
import { WireType } from '../../src/transport/otlp/writer.ts';
import { heard, say } from '../parent.ts';

const EXPORT_PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

export interface Arrivals {
  readonly spans: number;
  /** From the first request to the last one. */
  readonly elapsedMs: number;
}

const answer = new Uint8Array(0);
const message = (number: number): number => number * 8 + WireType.len;

let spans = 0;
let firstAtMs: number | undefined;
let lastAtMs = 0;
let awaited = Number.POSITIVE_INFINITY;

/** Calls `visit` within each message of this field, and passes over everything else. */
function within(reader: Reader, field: number, visit: () => void): void {
  while (reader.more()) {
    const tag = reader.tag();
    if (tag !== message(field)) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.enter();
    visit();
    reader.leave(outer);
  }
}

/** `ExportTraceServiceRequest { resource_spans: 1 { scope_spans: 2 { spans: 2 } } }`. */
function count(request: Uint8Array): void {
  const reader = new Reader(request);
  within(reader, 1, () => within(reader, 2, () => within(reader, 2, () => spans++)));
  lastAtMs = performance.now();
  firstAtMs ??= lastAtMs;
}

function tellWhenThere(): void {
  if (spans < awaited) return;
  awaited = Number.POSITIVE_INFINITY;
  say('arrived', { spans, elapsedMs: lastAtMs - (firstAtMs ?? lastAtMs) } satisfies Arrivals);
}

const server = new GrpcServer(
  new Map([
    [
      EXPORT_PATH,
      unaryMethod(async request => {
        count(request);
        tellWhenThere();
        return answer;
      }),
    ],
  ]),
  undefined,
);
say('listening', await server.listen({ host: '127.0.0.1', port: 0 }));
for (;;) {
  awaited = await heard<number>('await');
  tellWhenThere();
}
