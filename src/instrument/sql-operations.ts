// SQL texts as operations: each text is read once for as long as it is remembered.
import { BoundedCache } from './bounded-cache.ts';
import type { Operation } from './database-conventions.ts';
import type { SqlDialect } from './sql-dialect.ts';
import { describeSql } from './sql-text.ts';

/** Texts of one generation, and their length: applications have few, unless they write data into them. */
const TEXTS_MAX = 500;
const TEXT_LENGTH_MAX = 4096;

export class SqlOperations {
  readonly #dialect: SqlDialect;
  readonly #known = new BoundedCache<Operation>(TEXTS_MAX);

  constructor(dialect: SqlDialect) {
    this.#dialect = dialect;
  }

  of(sql: string): Operation {
    const known = this.#known.get(sql);
    if (known !== undefined) return known;
    const { text, summary, operation, collection } = describeSql(sql, this.#dialect);
    const described = { key: summary, summary, name: operation, collection, text };
    if (sql.length <= TEXT_LENGTH_MAX) this.#known.set(sql, described);
    return described;
  }
}
