// HTTP/2 frames (RFC 9113, sections 4 to 7): their names, their nine bytes in front, and how a connection's bytes are taken apart.

export const FrameType = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const ErrorCode = {
  none: 0,
  protocol: 1,
  flowControl: 3,
  frameSize: 6,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const Setting = {
  enablePush: 2,
  streamsMax: 3,
  initialWindow: 4,
  frameBytesMax: 5,
  headerListMax: 6,
} as const;

const FRAME_HEAD_BYTES = 9;
/** What a frame may have before its receiver says otherwise; and this side never does. */
export const FRAME_BYTES_MAX = 16_384;
/** What a stream, and a connection, may be sent before the receiver says otherwise. */
export const WINDOW_BYTES = 65_535;
export const WINDOW_BYTES_MAX: number = 2 ** 31 - 1;

/** The peer does what no peer may: the connection ends, and the peer is told the code. */
export class Http2Fault extends Error {
  readonly code: number;

  /** @param code an `ErrorCode` */
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** For what RFC 9113 calls a protocol error. */
export const violation = (what: string): Http2Fault => new Http2Fault(ErrorCode.protocol, what);

/** A window that the peer has made so much larger, or smaller. @throws Http2Fault when it is larger than windows may be */
export function widened(window: number, by: number): number {
  if (window + by > WINDOW_BYTES_MAX)
    throw new Http2Fault(ErrorCode.flowControl, 'a window that is too large');
  return window + by;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** 0 for the connection itself. */
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frameHead(type: number, flags: number, streamId: number, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
  head.writeUIntBE(payloadBytes, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return head;
}

/** 32-bit numbers, as most of the small frames have. */
export function words(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * numbers.length);
  for (const [i, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * i);
  return bytes;
}

export function settings(entries: ReadonlyArray<readonly [setting: number, value: number]>): Buffer {
  const bytes = Buffer.allocUnsafe(6 * entries.length);
  for (const [i, [setting, value]] of entries.entries()) {
    bytes.writeUInt16BE(setting, 6 * i);
    bytes.writeUInt32BE(value, 6 * i + 2);
  }
  return bytes;
}

/** Takes the bytes of a connection apart into frames, however they are cut. */
export class FrameReader {
  readonly #deliver: (frame: Frame) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** @param deliver gets payloads that are valid only within the call */
  constructor(deliver: (frame: Frame) => void) {
    this.#deliver = deliver;
  }

  /** @throws Http2Fault for a frame that is too long, and what `deliver` throws */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const length = bytes.readUIntBE(at, 3);
      if (length > FRAME_BYTES_MAX) throw new Http2Fault(ErrorCode.frameSize, `a frame of ${length} bytes`);
      const start = at + FRAME_HEAD_BYTES;
      if (bytes.length - start < length) break;
      const payload = bytes.subarray(start, start + length);
      const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.#deliver({ type: bytes[at + 3]!, flags: bytes[at + 4]!, streamId, payload });
      at = start + length;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
  }
}

/** The payload without what fills it up, for frames that may be padded. @throws Http2Fault when it fills more than there is */
export function unpadded({ flags, payload }: Frame): Buffer {
  if ((flags & Flag.padded) === 0) return payload;
  const end = payload.length - (payload[0] ?? 0);
  if (end < 1) throw violation('a frame of which all is padding');
  return payload.subarray(1, end);
}
