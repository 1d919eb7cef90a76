// What attributes and log bodies hold, before they are encoded and after they are decoded.

/** What an attribute, a log body or a label may hold on the wire (`opentelemetry.proto.common.v1.AnyValue`). */
export type AnyValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly AnyValue[]
  | { readonly [key: string]: AnyValue };

/** Parallel slots: `keys[i]` has `values[i]` for i < `count`; slots beyond `count` are stale. */
export interface AttributeList {
  readonly keys: readonly string[];
  readonly values: readonly AnyValue[];
  readonly count: number;
}
