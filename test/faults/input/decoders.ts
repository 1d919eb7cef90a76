// Every decoder of bytes from outside by name. A worker loads one only after a bug was planted.
import type { Decoder } from './decoder.ts';

export const decoders: Readonly<Record<string, () => Promise<{ readonly decoder: Decoder }>>> = {
  check: () => import('./decoders/check.ts'),
  decode: () => import('./decoders/decode.ts'),
  'to-json': () => import('./decoders/to-json.ts'),
  'from-json': () => import('./decoders/from-json.ts'),
  agreement: () => import('./decoders/agreement.ts'),
  'agent-frame': () => import('./decoders/agent-frame.ts'),
  'collector-frame': () => import('./decoders/collector-frame.ts'),
  messages: () => import('./decoders/messages.ts'),
  http2: () => import('./decoders/http2.ts'),
  unpack: () => import('./decoders/unpack.ts'),
  response: () => import('./decoders/response.ts'),
  line: () => import('./decoders/line.ts'),
  wal: () => import('./decoders/wal.ts'),
  headers: () => import('./decoders/headers.ts'),
  context: () => import('./decoders/context.ts'),
};
