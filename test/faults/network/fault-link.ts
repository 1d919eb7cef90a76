// One connection through the fault proxy: how its bytes pass, each way, and how it can end.
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../collector/queue/memory-disk.ts';

/** How bytes pass, in each direction; what is left out does not hold them. */
export interface Passage {
  /** Every byte comes so much later, and up to `jitterMs` more, which chance draws; never before an earlier one. */
  readonly latencyMs?: number;
  readonly jitterMs?: number;
  /** The largest write. */
  readonly sliceBytes?: number;
  /** 1 or more. */
  readonly bytesPerSecond?: number;
}

export type Side = 'client' | 'server';

/** What a direction holds until it stops reading: the sender's window closes then. */
const HELD_BYTES_MAX = 64 * 1024;
/** Writes in each second at a limited rate. */
const WRITES_PER_SECOND = 20;

interface Piece {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

/** One direction. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #passage: () => Passage;
  readonly #random: Random;
  readonly #stopped: AbortSignal;
  readonly #held: Piece[] = [];
  #heldBytes = 0;
  #lastDueMs = 0;
  #ended = false;
  #passing = false;

  constructor(from: Socket, to: Socket, passage: () => Passage, random: Random, stopped: AbortSignal) {
    this.#from = from;
    this.#to = to;
    this.#passage = passage;
    this.#random = random;
    this.#stopped = stopped;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    for (const event of ['end', 'close']) from.on(event, () => this.#end());
  }

  #take(bytes: Buffer): void {
    if (this.#stopped.aborted) return;
    const { latencyMs = 0, jitterMs = 0 } = this.#passage();
    const dueMs = performance.now() + latencyMs + jitterMs * this.#random();
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#held.push({ bytes, dueMs: this.#lastDueMs });
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= HELD_BYTES_MAX) this.#from.pause();
    void this.#pass();
  }

  #end(): void {
    this.#ended = true;
    void this.#pass();
  }

  /** Hands on what is held, in order; then the end, if there was one. Only one of these runs. */
  async #pass(): Promise<void> {
    if (this.#passing) return;
    this.#passing = true;
    try {
      for (let next = this.#held.shift(); next !== undefined; next = this.#held.shift()) {
        await this.#until(next.dueMs);
        await this.#write(next.bytes);
        this.#heldBytes -= next.bytes.length;
        if (this.#heldBytes < HELD_BYTES_MAX) this.#from.resume();
      }
      if (this.#ended && !this.#stopped.aborted) this.#to.end();
    } catch (error) {
      if (!this.#stopped.aborted) throw error;
    } finally {
      this.#passing = false;
    }
  }

  /** Looks before every write how it is to be: the passage may have changed. */
  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { sliceBytes = bytes.length, bytesPerSecond } = this.#passage();
      const paced = bytesPerSecond === undefined ? sliceBytes : Math.ceil(bytesPerSecond / WRITES_PER_SECOND);
      const slice = bytes.subarray(at, at + Math.min(sliceBytes, paced));
      const startedMs = performance.now();
      this.#stopped.throwIfAborted();
      await new Promise<void>(done => this.#to.write(slice, () => done()));
      if (bytesPerSecond !== undefined) await this.#until(startedMs + (1000 * slice.length) / bytesPerSecond);
      at += slice.length;
    }
  }

  /** A timer counts from when its turn of the event loop began, and so may be early. */
  async #until(ms: number): Promise<void> {
    for (let left = ms - performance.now(); left > 0; left = ms - performance.now())
      await delay(left, undefined, { signal: this.#stopped });
  }
}

/**
 * A client's connection and the one that was made to the server for it. A byte that was lost cannot be made up for, so what
 * stops the bytes stops them for good; until then it is the passage that changes.
 */
export class FaultLink {
  passage: Passage;
  /** Whether the client has given up a black hole by itself. */
  abandoned = false;
  #isReset = false;
  readonly #sockets: Readonly<Record<Side, Socket>>;
  readonly #stopping = new AbortController();

  /** @param closed called once, when neither of the sockets is open any more */
  constructor(client: Socket, server: Socket, passage: Passage, random: Random, closed: () => void) {
    this.passage = passage;
    this.#sockets = { client, server };
    const current = (): Passage => this.passage;
    new Way(client, server, current, random, this.#stopping.signal);
    new Way(server, client, current, random, this.#stopping.signal);
    this.#watch('client', closed);
    this.#watch('server', closed);
  }

  /** Whether bytes still pass. */
  get passes(): boolean {
    return !this.#stopping.signal.aborted;
  }

  /** Both sides get an RST, but one that was told of the end before: libuv refuses that, and would never let go of the socket. */
  reset(): void {
    this.#stop();
    this.#isReset = true;
    for (const socket of Object.values(this.#sockets)) {
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  /** The client sees an end; what it has sent arrives all the same, when it is due, and then the server sees one. */
  hangUp(): void {
    this.#sockets.client.destroy();
  }

  /** Both sides stay open and can send; nothing arrives any more. */
  blackHole(): void {
    this.#stop();
    const { client, server } = this.#sockets;
    for (const socket of [client, server]) socket.resume();
    const gone = (): void => {
      this.abandoned = !this.#isReset;
      for (const socket of [client, server]) socket.destroy();
    };
    client.once('end', gone).once('close', gone);
  }

  /** One side is gone, and the other is not told; what that sends fills its buffers. */
  halfOpen(gone: Side): void {
    this.#stop();
    this.#other(gone).pause();
    this.#sockets[gone].destroy();
  }

  #stop(): void {
    this.#stopping.abort();
  }

  #other(side: Side): Socket {
    return this.#sockets[side === 'client' ? 'server' : 'client'];
  }

  /** What one side suffers the other does too, as long as bytes pass. */
  #watch(side: Side, closed: () => void): void {
    const socket = this.#sockets[side];
    const other = this.#other(side);
    socket.on('error', () => {
      if (this.passes) this.reset();
    });
    socket.on('close', () => {
      if (other.closed) closed();
    });
  }
}
