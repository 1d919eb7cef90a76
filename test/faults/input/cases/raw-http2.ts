// An HTTP/2 connection by hand: frames that no library would write, and whether the other side puts up with them.
import { connect, type Socket } from 'node:net';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export const FrameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const;
export const END_HEADERS = 4;

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const literal = (text: string): Buffer => Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);

/** HPACK of a call's headers, nothing of it in the table: POST, http, and the rest in full (RFC 7541, 6.2.2). */
export function callHeaders(path: string): Buffer {
  return Buffer.concat([
    Buffer.of(0x83, 0x86, 0x04),
    literal(path),
    Buffer.of(0x01),
    literal('x'),
    Buffer.of(0x0f, 0x10),
    literal('application/grpc'),
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
