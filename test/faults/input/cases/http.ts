// Hostile HTTP and HTTP/2: headers, paths, and connections that only cost; beside them others are served.
import { once } from 'node:events';
import { connect } from 'node:net';
import { Signal } from 'tricord/otlp';
import { exportPaths } from '../../../../collector/signals.ts';
import { Flag, FrameType } from '../../../../src/transport/http2/frame.ts';
import { framed } from '../../../collector/receivers/raw-call.ts';
import { traceRequest } from '../../../collector/requests.ts';
import { frame } from '../../../transport/http2/frames.ts';
import { holds } from '../decoder.ts';
import type { CaseItem, InputCase } from './input-case.ts';
import { callHeaders, RawConnection } from './raw-http2.ts';
import type { Target } from './target.ts';

const request = traceRequest([]);
const path = exportPaths[Signal.traces];
const FRAMES = 50_000;
const FRAMES_AT_ONCE = 500;
const CLOSED_WITHIN_MS = 10_000;
/** Headers in 10 s, looked at every 2 s. */
const LORIS_CLOSED_WITHIN_MS = 20_000;
const LORIS_SOCKETS = 50;
const STREAMS = 2000;

async function answeredLine(target: Target, head: string): Promise<string> {
  const [host, port] = target.endpoints.http.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  socket.write(head);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return chunk.toString('latin1').split('\r\n', 1)[0]!;
}

const urls = [
  '//',
  '/%',
  '/v1/%2e%2e/traces',
  'http://[',
  '/v1/traces\\..',
  '*',
  '/\u0080',
  `/${'x'.repeat(20_000)}`,
];

async function unparsable(target: Target): Promise<number> {
  for (const url of urls) {
    const head = `POST ${url} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`;
    const line = await answeredLine(target, head);
    holds(/^HTTP\/1\.1 4\d\d /.test(line), `${line} for the URL ${JSON.stringify(url.slice(0, 40))}`);
    const status = await target.call(`/${url.slice(0, 100)}`, framed(request)).catch(String);
    holds(status === 'unsupported' || /^status NaN|Error/.test(status), `${status} for ${url.slice(0, 40)}`);
  }
  return 2 * urls.length;
}

async function protoHeaders(target: Target): Promise<number> {
  const names = ['__proto__', 'constructor', 'tostring'];
  for (const name of names) {
    const headers = { [name]: 'polluted' };
    await target.demand('taken', request, () => target.call(path, framed(request), headers));
    await target.demand('taken', request, () => target.post({ path: '/v1/traces', body: request, headers }));
  }
  return 2 * names.length;
}

interface Flood {
  readonly item: CaseItem;
  readonly first: Buffer;
  readonly each: (index: number) => Buffer;
  /** The client does not read what it is answered. */
  readonly deaf: boolean;
  /** Whether it costs so much that the connection must go. */
  readonly closes: boolean;
}

const none = Buffer.alloc(0);
const call = (flags: number, stream: number): Buffer =>
  frame(FrameType.headers, flags, stream, callHeaders(path));

const floods: readonly Flood[] = [
  {
    item: 'rapid reset',
    first: none,
    each: index =>
      Buffer.concat([
        call(Flag.endHeaders, 2 * index + 1),
        frame(FrameType.resetStream, 0, 2 * index + 1, Buffer.of(0, 0, 0, 8)),
      ]),
    deaf: false,
    closes: true,
  },
  {
    item: 'CONTINUATION flood',
    first: call(0, 1),
    each: () => frame(FrameType.continuation, 0, 1),
    deaf: false,
    closes: true,
  },
  {
    item: 'SETTINGS flood',
    first: none,
    each: () => frame(FrameType.settings, 0, 0),
    deaf: true,
    closes: true,
  },
  {
    item: 'PING flood',
    first: none,
    each: () => frame(FrameType.ping, 0, 0, Buffer.alloc(8)),
    deaf: true,
    closes: true,
  },
  {
    item: 'empty-frame flood',
    first: call(Flag.endHeaders, 1),
    each: () => frame(FrameType.data, 0, 1),
    deaf: false,
    closes: false,
  },
];

const flooded = ({ item, first, each, deaf, closes }: Flood): InputCase => ({
  item,
  name: 'gRPC',
  async run(target) {
    const connection = new RawConnection(target.endpoints.grpc);
    try {
      if (!deaf) connection.listen();
      await connection.write(first);
      let sent = 0;
      while (sent < FRAMES && !connection.over) {
        const frames = Array.from({ length: FRAMES_AT_ONCE }, (_, index) => each(sent + index));
        const stuck = Promise.withResolvers<void>();
        const timer = setTimeout(stuck.resolve, CLOSED_WITHIN_MS);
        await Promise.race([connection.write(Buffer.concat(frames)), stuck.promise]);
        clearTimeout(timer);
        await target.demand('taken', request, () => target.call(path, framed(request)));
        sent += FRAMES_AT_ONCE;
      }
      holds(connection.over || !closes, `${sent} frames of a ${item}, and the connection is still open`);
      return sent;
    } finally {
      connection.close();
    }
  },
});

/** Headers that never end, byte by byte, on many connections. */
async function slowLoris(target: Target): Promise<number> {
  const [host, port] = target.endpoints.http.split(':');
  const sockets = Array.from({ length: LORIS_SOCKETS }, () => connect(Number(port), host));
  const timers = sockets.map(socket => {
    socket.on('error', () => undefined).resume();
    socket.write('POST /v1/traces HTTP/1.1\r\n');
    return setInterval(() => socket.write('x'), 500);
  });
  try {
    const closed = Promise.all(sockets.map(socket => new Promise(resolve => socket.once('close', resolve))));
    await target.demand('taken', request, () => target.post({ path: '/v1/traces', body: request }));
    const late = Promise.withResolvers<string>();
    const timer = setTimeout(() => late.resolve('open'), LORIS_CLOSED_WITHIN_MS);
    const state = await Promise.race([closed, late.promise]);
    clearTimeout(timer);
    holds(state !== 'open', `connections open after ${LORIS_CLOSED_WITHIN_MS} ms`);
    return sockets.length;
  } finally {
    for (const timer of timers) clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  }
}

/** More calls at once than a connection may have: they wait their turn, and none is lost. */
async function manyStreams(target: Target): Promise<number> {
  const all = Array.from({ length: STREAMS }, () => target.call(path, framed(request)));
  const failed = (await Promise.all(all)).filter(answer => answer !== 'taken');
  holds(failed.length === 0, `${failed.length} of ${STREAMS} calls at once failed: ${failed[0]}`);
  return STREAMS;
}

/** More calls than were agreed on, by a client that does not keep to it. */
async function tooManyStreams(target: Target): Promise<number> {
  const connection = new RawConnection(target.endpoints.grpc);
  connection.listen();
  for (let index = 0; index < STREAMS && !connection.over; index++)
    await connection.write(call(Flag.endHeaders, 2 * index + 1));
  await target.demand('taken', request, () => target.call(path, framed(request)));
  connection.close();
  return STREAMS;
}

export const httpCases: readonly InputCase[] = [
  { item: '__proto__ as a header', name: 'gRPC and HTTP', run: protoHeaders },
  { item: 'unparsable URLs', name: 'gRPC and HTTP', run: unparsable },
  { item: 'slow-loris', name: 'HTTP', slow: true, run: slowLoris },
  { item: 'too many streams', name: 'gRPC, in turns', run: manyStreams },
  { item: 'too many streams', name: 'gRPC, over the limit', run: tooManyStreams },
  ...floods.map(flooded),
];
