// A disk in memory that fails as real ones do: it loses what was not synced, in parts, and errors when told to.
import type { Disk, DiskFile, FileState } from '../../../collector/queue/disk.ts';
import type { DirectoryLock } from '../../../collector/queue/lock.ts';

const sectorBytes = 512;

/** 0 ≤ x < 1. */
export type Random = () => number;

/** A small generator with a seed, so that a failure can be repeated. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export type Operation =
  | 'open'
  | 'list'
  | 'rename'
  | 'unlink'
  | 'syncDirectory'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'stat';

/** What happens instead of the operation; `short` takes one byte less than asked, at least one. */
export type Fault = 'EIO' | 'ENOSPC' | 'EFBIG' | 'EMFILE' | 'short' | 'crash' | undefined;

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly length: number };

interface Inode {
  /** What programs see. */
  content: Buffer;
  /** What a crash leaves for sure. */
  durable: Buffer;
  /** Between the two. */
  unsynced: Change[];
  /** What a failed sync was to save: marked clean, so no later sync saves it, but parts may have got through. */
  limbo: Change[];
  links: number;
}

/** Names that change together: to a file, or to nothing. */
type DirectoryChange = readonly (readonly [name: string, inode: Inode | undefined])[];

export class MemoryDisk implements Disk {
  /** Asked before each operation. */
  fault: (operation: Operation, path: string) => Fault = () => undefined;
  /** What every operation waits for. */
  stall: Promise<void> | undefined;
  /** A planted lie: `sync` says yes and does nothing. */
  lies = false;
  operations = 0;
  readonly #entries: Map<string, Inode>;
  #durableEntries: Map<string, Inode>;
  #unsyncedEntries: DirectoryChange[] = [];
  #crashed = false;
  readonly #crash = Promise.withResolvers<void>();

  constructor(entries: Map<string, Inode> = new Map()) {
    this.#entries = entries;
    this.#durableEntries = new Map(entries);
  }

  /** A disk with these files, all of them durable. */
  static of(files: Iterable<readonly [path: string, content: Buffer]>): MemoryDisk {
    return new MemoryDisk(new Map(Array.from(files, ([path, content]) => [path, inodeOf(content)])));
  }

  content(path: string): Buffer | undefined {
    return this.#entries.get(path)?.content;
  }

  /** Resolves when the fault `crash` has happened: nothing that the disk is asked for ends any more. */
  get crashed(): Promise<void> {
    return this.#crash.promise;
  }

  /**
   * The disk after a power loss: of what was not synced, each sector and each entry survives or not; in some losses they
   * have reached the disk in another order than they were written in, and some of them again later.
   */
  afterCrash(random: Random): MemoryDisk {
    this.#crashed = true;
    const survival = random();
    const survives = (): boolean => random() < survival;
    const entries = new Map(this.#durableEntries);
    const arriving = random() < 0.5 ? inOrder : disordered(random);
    for (const change of arriving(this.#unsyncedEntries)) if (survives()) applyEntries(entries, change);
    const files = new Map<string, Inode>();
    for (const [name, inode] of entries) files.set(name, inodeOf(remains(inode, arriving, survives)));
    return new MemoryDisk(files);
  }

  /** The disk after the process is killed: the kernel loses nothing. */
  afterKill(): MemoryDisk {
    this.#crashed = true;
    return MemoryDisk.of([...this.#entries].map(([name, { content }]) => [name, content]));
  }

  async open(path: string, access: 'read' | 'write' | 'create'): Promise<DiskFile> {
    await this.operate('open', path);
    const known = this.#entries.get(path);
    if (access === 'create') {
      if (known !== undefined) throw failure('EEXIST', path);
      const inode = inodeOf(Buffer.alloc(0));
      this.#changeEntries([[path, inode]]);
      return new MemoryFile(this, path, inode);
    }
    if (known === undefined) throw failure('ENOENT', path);
    return new MemoryFile(this, path, known);
  }

  async makeDirectory(): Promise<void> {}

  lock(): DirectoryLock {
    return { release: () => undefined };
  }

  async list(directory: string): Promise<string[]> {
    await this.operate('list', directory);
    return [...this.#entries.keys()].map(path => path.slice(directory.length + 1));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.operate('rename', from);
    const inode = this.#entries.get(from);
    if (inode === undefined) throw failure('ENOENT', from);
    this.#changeEntries([
      [from, undefined],
      [to, inode],
    ]);
  }

  async unlink(path: string): Promise<void> {
    await this.operate('unlink', path);
    const inode = this.#entries.get(path);
    if (inode === undefined) throw failure('ENOENT', path);
    inode.links = 0;
    this.#changeEntries([[path, undefined]]);
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.operate('syncDirectory', directory);
    if (this.lies) return;
    this.#durableEntries = new Map(this.#entries);
    this.#unsyncedEntries = [];
  }

  /** Lets the operation happen, fail, or never end. */
  async operate(operation: Operation, path: string): Promise<Fault> {
    await this.stall;
    if (this.#crashed) await new Promise(() => undefined);
    this.operations++;
    const fault = this.fault(operation, path);
    if (fault === 'crash') {
      this.#crashed = true;
      this.#crash.resolve();
      await new Promise(() => undefined);
    }
    if (fault !== undefined && fault !== 'short') throw failure(fault, path);
    return fault;
  }

  #changeEntries(change: DirectoryChange): void {
    applyEntries(this.#entries, change);
    this.#unsyncedEntries.push(change);
  }
}

class MemoryFile implements DiskFile {
  readonly #disk: MemoryDisk;
  readonly #path: string;
  readonly #inode: Inode;

  constructor(disk: MemoryDisk, path: string, inode: Inode) {
    this.#disk = disk;
    this.#path = path;
    this.#inode = inode;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    await this.#disk.operate('read', this.#path);
    return this.#inode.content.copy(target, 0, position);
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    const fault = await this.#disk.operate('write', this.#path);
    const whole = Buffer.concat(buffers);
    const bytes = fault === 'short' ? whole.subarray(0, Math.max(1, whole.length - 1)) : whole;
    this.#change({ at: position, bytes });
    return bytes.length;
  }

  async truncate(length: number): Promise<void> {
    await this.#disk.operate('truncate', this.#path);
    this.#change({ length });
  }

  /** A failed one marks everything clean, as Linux does: the next one succeeds and has saved nothing. */
  async sync(): Promise<void> {
    const { unsynced } = this.#inode;
    try {
      await this.#disk.operate('sync', this.#path);
    } catch (error) {
      this.#inode.limbo.push(...unsynced);
      this.#inode.unsynced = [];
      throw error;
    }
    if (this.#disk.lies) return;
    for (const change of unsynced) this.#inode.durable = applyChange(this.#inode.durable, change);
    this.#inode.unsynced = [];
  }

  async stat(): Promise<FileState> {
    await this.#disk.operate('stat', this.#path);
    return { size: this.#inode.content.length, links: this.#inode.links };
  }

  async close(): Promise<void> {}

  #change(change: Change): void {
    this.#inode.content = applyChange(this.#inode.content, change);
    this.#inode.unsynced.push(change);
  }
}

function inodeOf(content: Buffer): Inode {
  return { content, durable: content, unsynced: [], limbo: [], links: 1 };
}

function applyEntries(entries: Map<string, Inode>, change: DirectoryChange): void {
  for (const [name, inode] of change) {
    if (inode === undefined) entries.delete(name);
    else entries.set(name, inode);
  }
}

function applyChange(content: Buffer, change: Change): Buffer {
  if ('length' in change) return resized(content, change.length);
  const longer = resized(content, Math.max(content.length, change.at + change.bytes.length));
  longer.set(change.bytes, change.at);
  return longer;
}

/** A copy, cut off or followed by zeros. */
function resized(content: Buffer, length: number): Buffer {
  const copy = Buffer.alloc(length);
  content.copy(copy);
  return copy;
}

/** Unsynced changes in the order in which they reach the disk. */
type Arriving = <T>(changes: readonly T[]) => readonly T[];

const inOrder: Arriving = changes => changes;

/** Reordered, and about one in eight twice. */
function disordered(random: Random): Arriving {
  return <T>(changes: readonly T[]) => {
    const arriving = [...changes, ...changes.filter(() => random() < 1 / 8)];
    for (let last = arriving.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [arriving[last], arriving[other]] = [arriving[other]!, arriving[last]!];
    }
    return arriving;
  };
}

/** Unsynced writes survive by sectors, in any combination; the file ends with the last of them. */
function remains({ durable, limbo, unsynced }: Inode, arriving: Arriving, survives: () => boolean): Buffer {
  let content = durable;
  for (const change of arriving([...limbo, ...unsynced])) {
    if ('length' in change) {
      if (survives()) content = applyChange(content, change);
    } else {
      content = applySectors(content, change.at, change.bytes, survives);
    }
  }
  return content;
}

function applySectors(content: Buffer, at: number, bytes: Buffer, survives: () => boolean): Buffer {
  const longer = resized(content, Math.max(content.length, at + bytes.length));
  let length = content.length;
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + sectorBytes - ((at + from) % sectorBytes));
    if (survives()) {
      longer.set(bytes.subarray(from, to), at + from);
      length = Math.max(length, at + to);
    }
    from = to;
  }
  return longer.subarray(0, length);
}

function failure(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${path}`), { code });
}
