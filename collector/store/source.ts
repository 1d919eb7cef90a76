// Where the three stores read from: the database, and a way to one moment's contents.
import type { Database } from './database.ts';
import type { Snapshot } from './snapshot.ts';

export interface Source {
  readonly database: Database;
  /** Runs `query` over one snapshot, which stays valid until its promise settles. */
  read<T>(query: (snapshot: Snapshot) => Promise<T>): Promise<T>;
}
