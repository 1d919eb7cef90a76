// What an OTLP receiver answers, as the agent reads it: it may be nonsense, and then it is no advice.
import fc from 'fast-check';
import { readRetryAfterMs, readRetryDelayMs, readSuccess } from 'tricord/otlp';
import { statusBytes } from '../../../../collector/receivers/refusal.ts';
import * as wire from '../../../transport/otlp/wire.ts';
import { type Decoder, holds } from '../decoder.ts';
import { requestWords } from '../requests.ts';

const DELAY_MS_MAX = 300_000;
const REASON_UNITS_MAX = 1024;

const partial = (rejected: number | bigint, message: string): Uint8Array =>
  wire.len(1, wire.int(1, rejected), wire.len(2, message));
const status = (message: string, retryAfterMs?: number): Uint8Array => {
  const base = { reason: 'unavailable', grpcCode: 14, httpStatus: 503, message } as const;
  return statusBytes(retryAfterMs === undefined ? base : { ...base, retryAfterMs });
};

export const decoder: Decoder = {
  seeds: [
    partial(5, 'too old'),
    status('full', 2500),
    Buffer.from('120'),
    Buffer.from('Fri, 27 Nov 2026 07:28:00 GMT'),
  ],
  words: [
    ...requestWords,
    Buffer.from('type.googleapis.com/google.rpc.RetryInfo'),
    Buffer.from('99999999999999999999'),
  ],
  inputs: fc.oneof(
    fc
      .tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.string())
      .map(parts => partial(...parts)),
    fc.tuple(fc.string(), fc.nat()).map(parts => status(...parts)),
    fc.date({ noInvalidDate: true }).map(date => Buffer.from(date.toUTCString())),
  ),
  read(input) {
    const success = readSuccess(input);
    holds(success.kind === 'delivered' && success.rejected >= 0, 'fewer than none rejected');
    holds(success.reason.length <= REASON_UNITS_MAX, 'a reason of any length');
    const delays = [
      readRetryDelayMs(input),
      readRetryAfterMs(Buffer.from(input).toString('latin1'), 1_800_000_000_000),
    ];
    for (const ms of delays)
      holds(ms === undefined || (ms >= 0 && ms <= DELAY_MS_MAX), `a delay of ${ms} ms`);
    return 'read';
  },
};
