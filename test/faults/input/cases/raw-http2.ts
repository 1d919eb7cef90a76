// An HTTP/2 connection by hand: frames that no library would write, and whether the other side puts up with them.
import { connect, type Socket } from 'node:net';
import { FrameType } from '../../../../src/transport/http2/frame.ts';
import { encodeFields } from '../../../../src/transport/http2/hpack.ts';
import { frame } from '../../../transport/http2/frames.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** The headers of a call. */
export function callHeaders(path: string): Buffer {
  return encodeFields([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'x'],
    ['content-type', 'application/grpc'],
  ]);
}

export class RawConnection {
  readonly #socket: Socket;
  /** Resolves when the other side has closed the connection. */
  readonly closed: Promise<void>;
  #over = false;

  constructor(endpoint: string) {
    const [host, port] = endpoint.split(':');
    this.#socket = connect(Number(port), host);
    this.#socket.on('error', () => undefined);
    this.closed = new Promise(resolve =>
      this.#socket.once('close', () => {
        this.#over = true;
        resolve();
      }),
    );
    this.#socket.write(Buffer.concat([Buffer.from(PREFACE), frame(FrameType.settings, 0, 0)]));
  }

  get over(): boolean {
    return this.#over;
  }

  /** Takes what comes and forgets it. */
  listen(): void {
    this.#socket.resume();
  }

  /** Resolves when the bytes are with the kernel, or the connection is over. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#over) return;
    const written = new Promise<void>(resolve => this.#socket.write(bytes, () => resolve()));
    await Promise.race([written, this.closed]);
  }

  close(): void {
    this.#socket.destroy();
  }
}
