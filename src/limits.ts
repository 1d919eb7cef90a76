// Every bound of the agent, and how the bounds relate.
const KIB = 1024;
const MIB = 1024 * KIB;

type LimitName =
  | 'frame_bytes_max'
  | 'ring_bytes_default'
  | 'ring_bytes_min'
  | 'ring_bytes_max'
  | 'batch_bytes_max'
  | 'resend_bytes_default'
  | 'resend_bytes_min'
  | 'resend_bytes_max'
  | 'attributes_max'
  | 'events_max'
  | 'links_max'
  | 'attribute_value_length_max'
  | 'cardinality_max'
  | 'meters_max'
  | 'instruments_max'
  | 'histogram_buckets_max'
  | 'baggage_bytes_max'
  | 'baggage_entries_max'
  | 'tracestate_members_max'
  | 'tracestate_bytes_max'
  | 'labels_max'
  | 'label_value_length_max'
  | 'span_pool_max'
  | 'profile_window_ms'
  | 'profiles_per_minute_max'
  | 'profiles_at_once_max'
  | 'profile_bytes_max'
  | 'response_bytes_max'
  | 'timeout_ms_max';

export const limits: Readonly<Record<LimitName, number>> = {
  /** Bytes of one frame in the ring: the largest single span, log record or metric. */
  frame_bytes_max: 256 * KIB,
  /** Bytes of the ring between the application and the transport thread; a power of two. */
  ring_bytes_default: 4 * MIB,
  ring_bytes_min: 64 * KIB,
  ring_bytes_max: 1024 * MIB,
  /** Bytes of one batch on the stream. */
  batch_bytes_max: 512 * KIB,
  /** Bytes of batches sent or waiting, kept until they are acknowledged. */
  resend_bytes_default: 32 * MIB,
  resend_bytes_min: 4 * MIB,
  resend_bytes_max: 1024 * MIB,
  /** Attributes, events and links of one span, attributes of one event or log record (OpenTelemetry's defaults). */
  attributes_max: 128,
  events_max: 128,
  links_max: 128,
  /** UTF-16 units of one attribute value; OpenTelemetry has no default, a frame has. */
  attribute_value_length_max: 64 * KIB,
  /** Series of one metric, beside the overflow series (OpenTelemetry's default). */
  cardinality_max: 2000,
  /** Meters and instruments of one process: what makes one per request must not fill the memory. */
  meters_max: 1000,
  instruments_max: 10_000,
  /** Buckets of one histogram with explicit bounds. */
  histogram_buckets_max: 512,
  /** Baggage by W3C: bytes and entries. */
  baggage_bytes_max: 8192,
  baggage_entries_max: 64,
  /** Members of one tracestate header by W3C. */
  tracestate_members_max: 32,
  tracestate_bytes_max: 512,
  /** Labels on one context. */
  labels_max: 32,
  /** UTF-16 units of one label value. */
  label_value_length_max: 1024,
  /** Span records that the pool keeps for reuse; those beyond it are left to the garbage collector. */
  span_pool_max: 2048,
  /** How long the samples of one window gather; two windows are kept. */
  profile_window_ms: 30_000,
  /** How often in a minute profiles of slow requests are made, for how many requests at once, and the bytes of one such request. */
  profiles_per_minute_max: 6,
  profiles_at_once_max: 4,
  profile_bytes_max: MIB,
  /** Bytes of one response that the agent reads from a collector. */
  response_bytes_max: 4 * MIB,
  /** How long a call to a collector may take where no limit is asked for. */
  timeout_ms_max: 600_000,
};

if (limits.frame_bytes_max > limits.batch_bytes_max) throw new RangeError('a frame must fit into a batch');
if (limits.batch_bytes_max * 4 > limits.resend_bytes_min)
  throw new RangeError('a batch of each signal and another one must fit into the resend buffer');
