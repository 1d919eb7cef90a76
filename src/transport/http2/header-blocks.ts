// A peer's header fields: HEADERS with the CONTINUATIONs behind it, joined and decoded.
import { Flag, type Frame, unpadded, violation } from './frame.ts';
import { endless, FIELDS_BYTES_MAX, FieldDecoder, type Fields } from './hpack.ts';

/** What a HEADERS frame has in front with `Flag.priority`. */
const PRIORITY_BYTES = 5;

interface Headers {
  readonly fields: Fields;
  /** Nothing follows in the stream. */
  readonly isLast: boolean;
}

interface Block {
  readonly streamId: number;
  readonly isLast: boolean;
  readonly bytes: Buffer;
}

export class HeaderBlocks {
  readonly #decoder = new FieldDecoder();
  #open: Block | undefined;

  /** Whether a block has begun: nothing else may come before its end. */
  get isWithin(): boolean {
    return this.#open !== undefined;
  }

  /** The fields when the block ends with this HEADERS frame. @throws Http2Fault */
  begin(frame: Frame): Headers | undefined {
    const { streamId, flags } = frame;
    const payload = unpadded(frame);
    const bytes = (flags & Flag.priority) === 0 ? payload : payload.subarray(PRIORITY_BYTES);
    return this.#take(frame, { streamId, isLast: (flags & Flag.endStream) !== 0, bytes });
  }

  /** The fields when the block ends with this CONTINUATION frame. @throws Http2Fault */
  goOn(frame: Frame): Headers | undefined {
    const block = this.#open;
    if (block?.streamId !== frame.streamId) throw violation('headers that nobody began');
    const bytes = Buffer.concat([block.bytes, frame.payload]);
    if (bytes.length > FIELDS_BYTES_MAX) throw endless();
    return this.#take(frame, { ...block, bytes });
  }

  #take({ flags }: Frame, block: Block): Headers | undefined {
    if ((flags & Flag.endHeaders) === 0) {
      this.#open = { ...block, bytes: Buffer.from(block.bytes) };
      return undefined;
    }
    this.#open = undefined;
    return { fields: this.#decoder.decode(block.bytes), isLast: block.isLast };
  }
}
