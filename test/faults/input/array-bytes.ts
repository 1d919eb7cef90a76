// Counts the bytes of the arrays that this thread asks for, those too that are gone before anybody could measure them.

let asked = 0;

/** Since the start. */
export function arrayBytesAsked(): number {
  return asked;
}

/** From now on; code that is loaded later sees the counting constructors. */
export function countArrayBytes(): void {
  const original = Uint8Array;
  function Counting(...args: unknown[]): object {
    if (typeof args[0] === 'number') asked += args[0];
    return Reflect.construct(original, args) as object;
  }
  // Not a proxy: `instanceof` would go the slow way, everywhere.
  Counting.prototype = original.prototype;
  Object.setPrototypeOf(Counting, original);
  globalThis.Uint8Array = Counting as unknown as Uint8ArrayConstructor;
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
    const make = Buffer[name].bind(Buffer) as (size: number, ...rest: []) => Buffer<ArrayBuffer>;
    Buffer[name] = (size: number, ...rest: []) => {
      asked += size;
      return make(size, ...rest);
    };
  }
}
