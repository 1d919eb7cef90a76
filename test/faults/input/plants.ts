// The bugs that the input scenario must find, as changes of the sources that read what comes from outside.
import type { Edit } from '../plant.ts';

export const plants: Readonly<Record<string, readonly Edit[]>> = {
  /** The check follows values however deep they lie. */
  'no-depth-limit': [
    {
      file: 'src/transport/otlp/check.ts',
      text: 'if (innerDepth > ANY_VALUE_DEPTH_MAX)',
      instead: 'if (innerDepth > 1e9)',
    },
  ],
  /** Memory is taken for a length before it is known whether so much is there. */
  'allocate-first': [
    {
      file: 'src/transport/otlp/reader.ts',
      text: 'if (length > this.end - this.pos)\n',
      instead: 'if (length > this.end - this.pos && new Uint8Array(Math.min(length, 2 ** 28)).length > 0)\n',
    },
  ],
  /** The check takes a known field in any wire type. */
  'wrong-type-taken': [
    {
      file: 'src/transport/otlp/check-plan.ts',
      text: 'plan.ops[field.number * 8 + wireType] = Op.fieldTypeFault;',
      instead: 'plan.ops[field.number * 8 + wireType] = unknownOps[wireType]!;',
    },
  ],
  /** A fault is an error that nobody expects. */
  'foreign-error': [
    {
      file: 'src/transport/otlp/reader.ts',
      text: `throw new WireError('the message ends within a field', this.pos);`,
      instead: `throw new RangeError('the message ends within a field');`,
    },
  ],
  /** The points of a metric count in each kind of data that it has. */
  'count-every-kind': [
    {
      file: 'src/transport/otlp/check.ts',
      text: 'dataItems = tag === dataTag ? dataItems + inside : inside;',
      instead: 'dataItems += inside;',
    },
  ],
  /** The search for the next record begins where the last one did. */
  'search-in-place': [
    {
      file: 'collector/queue/scan.ts',
      text: 'let at = this.#offset + 1;',
      instead: 'let at = this.#offset;',
    },
  ],
};
