// Keeps a second process out of the queue's directory, by a lock that the kernel frees when its holder dies.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/*
 * Node has no call for advisory file locks, but the SQLite inside it takes one: a transaction that is begun EXCLUSIVE
 * holds an fcntl lock on its file until it ends, and writes nothing. Against the usual substitutes: a pid file outlives
 * SIGKILL and lies between containers, whose pids are their own; a socket is stale after SIGKILL too, and whoever
 * clears it away races with whoever does the same. The file beside the lock only names the holder, for the message.
 */

export const lockName = 'queue.lock';
export const holderName = 'queue.pid';

export interface DirectoryLock {
  release(): void;
}

/** @throws Error that names the directory, and the process that holds it where there is one. */
export function lockDirectory(directory: string): DirectoryLock {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(directory, lockName), { timeout: 0 });
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    writeFileSync(join(directory, holderName), `${process.pid}\n`);
  } catch (error) {
    if (database?.isOpen) database.close();
    throw new Error(refusal(directory, error as Error & { errcode?: number }), { cause: error });
  }
  const held = database;
  return { release: () => held.close() };
}

const sqliteBusy = 5;

function refusal(directory: string, error: Error & { errcode?: number }): string {
  if (error.errcode === sqliteBusy) return `${directory} is in use by process ${holder(directory)}`;
  return `${directory} cannot be locked: ${error.message}`;
}

function holder(directory: string): string {
  try {
    return readFileSync(join(directory, holderName), 'utf8').trim();
  } catch {
    return '(unknown)';
  }
}
