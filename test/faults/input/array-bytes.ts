// Counts the bytes of the arrays that this thread asks for, those too that are gone before anybody could measure them.

let asked = 0;

/** Since the start. */
export function arrayBytesAsked(): number {
  return asked;
}

/** From now on; code that is loaded later sees the counting constructors. */
export function countArrayBytes(): void {
  globalThis.Uint8Array = new Proxy(Uint8Array, {
    construct(target, args: [unknown], newTarget) {
      if (typeof args[0] === 'number') asked += args[0];
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
    const make = Buffer[name].bind(Buffer) as (size: number, ...rest: []) => Buffer<ArrayBuffer>;
    Buffer[name] = (size: number, ...rest: []) => {
      asked += size;
      return make(size, ...rest);
    };
  }
}
