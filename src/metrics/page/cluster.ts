// The page of a cluster: its primary asks the workers for theirs, on a socket that only this user's processes can open.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import type { Exposed } from './families.ts';
import { lasting, merged, type PageOf } from './merge.ts';

/** What workers inherit where the primary has a page: the path of its socket. */
const SOCKET = '_TRICORD_PAGE_SOCKET';
const isWindows = process.platform === 'win32';
const LENGTH_BYTES = 4;
/** How long a worker may take; then what it said the last time is on the page. */
const ANSWER_MS = 1000;
const PAGE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Both ways a message is its length in four bytes, big-endian, and as many bytes: the worker's ID once, then for every empty
 * message of the primary a page.
 */
class Messages {
  readonly socket: Socket;
  #gathered: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, receive: (message: Buffer) => void) {
    this.socket = socket;
    socket.unref();
    // Whoever is on the other side is gone; that shows by `close`.
    socket.on('error', () => {});
    socket.on('data', chunk => {
      this.#gathered = Buffer.concat([this.#gathered, chunk as Buffer]);
      for (let message = this.#next(); message !== undefined; message = this.#next()) receive(message);
    });
  }

  #next(): Buffer | undefined {
    const gathered = this.#gathered;
    if (gathered.length < LENGTH_BYTES) return undefined;
    const end = LENGTH_BYTES + gathered.readUInt32BE(0);
    if (end > PAGE_BYTES_MAX) this.socket.destroy();
    if (gathered.length < end) return undefined;
    this.#gathered = gathered.subarray(end);
    return gathered.subarray(LENGTH_BYTES, end);
  }

  send(message: Uint8Array): void {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(message.length);
    this.socket.write(Buffer.concat([length, message]));
  }
}

/** In a worker whose primary has a page: gives it this one's. Undefined elsewhere. */
export function answerPrimary(read: () => Promise<Exposed>): { close(): void } | undefined {
  const path = process.env[SOCKET];
  if (!cluster.isWorker || path === undefined) return undefined;
  const socket = connect(path);
  const messages = new Messages(socket, () => {
    // Without an answer the primary shows what it had the last time.
    read()
      .then(page => messages.send(serialize(page)))
      .catch(() => {});
  });
  messages.send(Buffer.from(String(cluster.worker?.id ?? 0)));
  return { close: () => void socket.destroy() };
}

interface WorkerPage {
  readonly messages: Messages;
  /** Empty until it has said who it is. */
  id: string;
  /** Its page, when it gave one last. */
  page: Exposed | undefined;
  answered: () => void;
}

/** In a primary, or what may become one: until there is a worker that costs a variable of the environment. */
export class ClusterPages {
  readonly #workers = new Set<WorkerPage>();
  readonly #name = `tricord-${randomBytes(16).toString('hex')}`;
  readonly #directory = join(tmpdir(), this.#name);
  readonly #path = isWindows ? `\\\\.\\pipe\\${this.#name}` : join(this.#directory, 'page');
  /** What workers that are gone have left. */
  #left: Exposed = { target: [], families: [], conflicts: [] };
  #server: Server | undefined;
  #asking: Promise<unknown> | undefined;

  constructor() {
    process.env[SOCKET] = this.#path;
    cluster.once('fork', this.#listen);
  }

  /** The page of all processes, of which `own` is the primary's. */
  async all(own: Exposed): Promise<Exposed> {
    this.#asking ??= Promise.all([...this.#workers].map(ask)).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
    const pages = [...this.#workers].flatMap(({ id, page }): PageOf[] =>
      page === undefined ? [] : [{ page, process: ['cluster_worker', id] }],
    );
    return merged(own, [{ page: this.#left, process: undefined }, ...pages]);
  }

  readonly #listen = (): void => {
    // What cannot be listened on is missed: the page is the primary's alone.
    this.#server = createServer(socket => this.#welcome(socket)).on('error', () => {});
    try {
      if (!isWindows) mkdirSync(this.#directory, { mode: 0o700 });
    } catch {
      return;
    }
    this.#server.listen({ path: this.#path, exclusive: true });
    this.#server.unref();
  };

  #welcome(socket: Socket): void {
    const messages = new Messages(socket, message => {
      if (worker.id === '') worker.id = message.toString();
      else take(worker, message);
    });
    const worker: WorkerPage = { messages, id: '', page: undefined, answered() {} };
    this.#workers.add(worker);
    socket.on('close', () => {
      this.#workers.delete(worker);
      worker.answered();
      if (worker.page !== undefined)
        this.#left = merged(this.#left, [{ page: lasting(worker.page), process: undefined }]);
    });
  }

  /** Also when the process ends, as files outlive it. */
  close(): void {
    cluster.off('fork', this.#listen);
    delete process.env[SOCKET];
    this.#server?.close();
    for (const { messages } of this.#workers) messages.socket.destroy();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function take(worker: WorkerPage, message: Buffer): void {
  try {
    worker.page = deserialize(message) as Exposed;
    worker.answered();
  } catch {
    worker.messages.socket.destroy();
  }
}

/** Resolves when it has answered, is gone, or has had its time. */
function ask(worker: WorkerPage): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ANSWER_MS).unref();
    worker.answered = () => {
      clearTimeout(timer);
      resolve();
    };
    worker.messages.send(Buffer.alloc(0));
  });
}
