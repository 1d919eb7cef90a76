// How databases differ in what is a literal and what a comment: it decides which characters of a text are data.

export interface SqlDialect {
  /** In `'…'`, a backslash takes the next character with it. */
  readonly backslashEscapes: boolean;
  /** In `E'…'` it does so even where it does not in `'…'`. */
  readonly escapeStrings: boolean;
  /** `"…"` is a string; elsewhere it is an identifier. */
  readonly doubleQuotedStrings: boolean;
  /** `$tag$…$tag$` is a string. */
  readonly dollarQuotes: boolean;
  /** `#` begins a comment, and `--` does so only before a blank. */
  readonly hashComments: boolean;
  readonly nestedComments: boolean;
  /** What ends a comment of one line. */
  readonly lineEnd: RegExp;
}

/** As standard strings are the default (`standard_conforming_strings`). */
export const postgresSql: SqlDialect = {
  backslashEscapes: false,
  escapeStrings: true,
  doubleQuotedStrings: false,
  dollarQuotes: true,
  hashComments: false,
  nestedComments: true,
  lineEnd: /[\r\n]/g,
};

/** Of MySQL and MariaDB without `NO_BACKSLASH_ESCAPES`. Under `ANSI_QUOTES`, quoted identifiers count as strings. */
export const mysqlSql: SqlDialect = {
  backslashEscapes: true,
  escapeStrings: false,
  doubleQuotedStrings: true,
  dollarQuotes: false,
  hashComments: true,
  nestedComments: false,
  lineEnd: /\n/g,
};

export const sqliteSql: SqlDialect = {
  backslashEscapes: false,
  escapeStrings: false,
  doubleQuotedStrings: false,
  dollarQuotes: false,
  hashComments: false,
  nestedComments: false,
  lineEnd: /\n/g,
};
