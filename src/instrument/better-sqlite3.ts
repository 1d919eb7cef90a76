// Client spans and metrics of better-sqlite3, whose statements are of a class that the first of them tells.
import { exported, onPackageLoad } from './module-hooks.ts';
import { type Methods, SqliteCalls, type SqliteLibrary } from './sqlite-calls.ts';

/** The parts of connections and statements that are used here. */
interface Connection {
  readonly name: string;
  readonly memory: boolean;
  readonly open: boolean;
}

interface Statement {
  readonly source: string;
  readonly database: Connection;
}

/** Observes every connection of better-sqlite3 in this thread, and the statements of its transactions. */
export function instrumentBetterSqlite3(): void {
  let calls: SqliteCalls<Connection, Statement> | undefined;
  onPackageLoad('better-sqlite3', exports => {
    const connections = exported<Methods<Connection>>(exports, 'prototype');
    if (['prepare', 'exec', 'transaction'].some(name => typeof connections?.[name] !== 'function'))
      return false;
    calls ??= new SqliteCalls(new BetterSqlite3(statements => calls?.observeStatements(statements)));
    calls.observeConnections(connections!);
    return true;
  });
}

class BetterSqlite3 implements SqliteLibrary<Connection, Statement> {
  readonly name = 'better-sqlite3';
  readonly #meet: (statements: Methods<Statement>) => void;
  readonly #known = new WeakSet<object>();

  /** @param meet given the methods of statements, once for each copy of the library */
  constructor(meet: (statements: Methods<Statement>) => void) {
    this.#meet = meet;
  }

  fileOf({ name, memory, open }: Connection): string | undefined {
    if (!open) return undefined;
    return memory ? ':memory:' : name;
  }

  sourceOf({ source, database }: Statement): { connection: Connection; sql: string } {
    return { connection: database, sql: source };
  }

  prepared(statement: Statement): void {
    const methods = Object.getPrototypeOf(statement) as Methods<Statement>;
    if (this.#known.has(methods)) return;
    this.#known.add(methods);
    this.#meet(methods);
  }

  /** Errors of SQLite have the name of its extended result code. */
  failureOf(error: unknown): { error: unknown; statusCode: string | undefined } {
    const { code } = (error ?? {}) as { code?: unknown };
    const isSqlites = typeof code === 'string' && code.startsWith('SQLITE_');
    return { error, statusCode: isSqlites ? code : undefined };
  }
}
