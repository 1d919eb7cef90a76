// HTTP/2 frames for peers made by hand.
import { frameHead } from '../../../src/transport/http2/frame.ts';

/** A frame as it is on the wire. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  return Buffer.concat([frameHead(type, flags, streamId, payload.length), payload]);
}
