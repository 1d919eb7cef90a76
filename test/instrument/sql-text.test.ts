// What is left of an SQL text: nothing of the data in it, whatever the database, and what it does in a few words.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BoundedCache } from '../../src/instrument/bounded-cache.ts';
import { mysqlSql, postgresSql, type SqlDialect, sqliteSql } from '../../src/instrument/sql-dialect.ts';
import { SqlOperations } from '../../src/instrument/sql-operations.ts';
import { describeSql, SQL_LENGTH_MAX } from '../../src/instrument/sql-text.ts';

const dialects: Readonly<Record<string, SqlDialect>> = {
  postgres: postgresSql,
  mysql: mysqlSql,
  sqlite: sqliteSql,
};
const textIn = (dialect: SqlDialect, sql: string): string => describeSql(sql, dialect).text;

/** What is nowhere in a text but in its data. */
const CANARY = 'canary';

/** Literals and comments with the canary in them, as each database writes them. */
const anywhere = [
  `'${CANARY}'`,
  `'it''s ${CANARY}'`,
  `/* ${CANARY} */`,
  `-- '${CANARY}\n`,
  `x'${CANARY}'`,
  "''",
];
const data: Readonly<Record<string, readonly string[]>> = {
  postgres: [
    ...anywhere,
    // Behind a new line, the string that follows would be part of these.
    ...[`E'\\'${CANARY}\\\\' ||`, `e'a'\n  '\\'${CANARY}' ||`],
    ...[`$$'${CANARY}$$`, `$tag$ $$ ${CANARY} $tag$`],
    ...[`'\\'`, `/* /* */ ${CANARY} */`, `U&'${CANARY}'`, `-- ${CANARY}\r`],
  ],
  mysql: [
    ...anywhere,
    ...[
      `'\\'${CANARY}'`,
      `"${CANARY}"`,
      `"a""${CANARY}"`,
      `"\\"${CANARY}"`,
      `# "${CANARY}\n`,
      `_utf8mb4'${CANARY}'`,
    ],
    ...[`'a' '${CANARY}'`, `1--'${CANARY}'`],
  ],
  sqlite: [...anywhere, `'\\'`, `'a' '${CANARY}'`, `-- \r${CANARY}\n`],
};
/** What stands around data, and means something to a reader of it. */
const code = [
  ...[
    'SELECT',
    'FROM',
    'INSERT INTO',
    'UPDATE',
    'JOIN',
    'WHERE',
    'IN',
    'VALUES',
    'WITH',
    'AS',
    'CREATE TABLE',
  ],
  ...['(', ')', ',', ';', '.', '=', '-', '::int', ':name', '@x', '$1', '?', '12', '1.5e-3', '0xff', ' '],
  ...['a', 'users', 'x.y', 'e', 'n', '\n', '[1]', '{}', '|', '/', '*', 'é', '_', '\\'],
];
const plain: Readonly<Record<string, readonly string[]>> = {
  postgres: [...code, '"Users"', 'a$b$c', '#'],
  mysql: [...code, '`users`', '$', '--1'],
  sqlite: [...code, '"Users"', '`users`', '$name', '#'],
};

for (const [name, dialect] of Object.entries(dialects)) {
  describe(`a text of ${name}`, () => {
    const pieces = fc.array(fc.constantFrom(...data[name]!, ...plain[name]!), { maxLength: 30 });

    it('shows nothing of its literals and comments', () => {
      fc.assert(
        fc.property(pieces, list => {
          const { text, summary } = describeSql(list.join(' '), dialect);
          assert.ok(!text.includes(CANARY) && !summary.includes(CANARY), text);
        }),
        { numRuns: 5000 },
      );
    });

    it('shows nothing of them wherever it is cut', () => {
      fc.assert(
        fc.property(pieces, fc.nat(300), (list, at) => {
          const { text, summary } = describeSql(list.join(' ').slice(0, at), dialect);
          assert.ok(!text.includes(CANARY) && !summary.includes(CANARY), text);
        }),
        { numRuns: 2000 },
      );
    });

    it('is what it is when it is read again', () => {
      fc.assert(
        fc.property(pieces, list => {
          const once = textIn(dialect, list.join(' '));
          assert.equal(textIn(dialect, once), once);
        }),
        { numRuns: 2000 },
      );
    });

    it('may be anything, and is never longer than it was', () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 200 }), sql => {
          const { text, summary } = describeSql(sql, dialect);
          assert.ok(text.length <= sql.length);
          assert.ok(summary.length <= 255);
        }),
        { numRuns: 2000 },
      );
    });
  });
}

describe('a literal', () => {
  const cases: readonly (readonly [SqlDialect, string, string])[] = [
    [postgresSql, "a = 'x' AND b = 'it''s'", 'a = ? AND b = ?'],
    [postgresSql, "a = '\\' AND b = 'x'", 'a = ? AND b = ?'],
    [mysqlSql, "a = '\\' AND b = ' OR c = \"x\"", 'a = ? OR c = ?'],
    [postgresSql, 'f($$it\'s$$, $t$ $$ $t$, $1, "Col")', 'f(?, ?, $1, "Col")'],
    [mysqlSql, 'a = "x" # why\n AND `b` = 1', 'a = ? AND `b` = ?'],
    [
      postgresSql,
      'a = 1.5e-3 + .5 - 0xff AND t1.c2 = 7::numeric(10)',
      'a = ? + ? - ? AND t1.c2 = ?::numeric(?)',
    ],
    [mysqlSql, "x'1f', _utf8mb4'é', N'x', b'01'", '?, ?, ?, ?'],
    [sqliteSql, 'a = ?1 AND b = :name AND c = @c AND d = $d', 'a = ?1 AND b = :name AND c = @c AND d = $d'],
    [postgresSql, "a /* x */ = -- y\n 'unclosed", 'a = ?'],
  ];
  for (const [dialect, sql, expected] of cases) {
    it(`becomes a question mark: ${JSON.stringify(sql)}`, () => assert.equal(textIn(dialect, sql), expected));
  }
});

describe('a list behind IN', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['id IN (1, 2, 3)', 'id IN (?)'],
    ["id not in ('a','b' , -1) and x = (1, 2)", 'id not in (? ) and x = (?, ?)'],
    ['id IN ($1, $2)', 'id IN ($1)'],
    ['id IN (SELECT 1, 2)', 'id IN (SELECT ?, ?)'],
    ['(a, b) IN ((1, 2), (3, 4))', '(a, b) IN ((?, ?), (?, ?))'],
    ['id IN (1, x, 2)', 'id IN (?, x, ?)'],
  ];
  for (const [sql, expected] of cases) {
    it(`is shown by its first value: ${sql}`, () => assert.equal(textIn(postgresSql, sql), expected));
  }
});

describe('a summary', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['SELECT * FROM wuser_table WHERE username = ?', 'SELECT wuser_table'],
    [
      'INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?',
      'INSERT shipping_details SELECT orders',
    ],
    ['SELECT * FROM songs, artists WHERE songs.artist_id == artists.id', 'SELECT songs artists'],
    [
      'SELECT d FROM (SELECT * FROM orders o JOIN customers c ON o.c = c.id)',
      'SELECT SELECT orders customers',
    ],
    ['SELECT * FROM "song list", public."Artists" a', 'SELECT "song list" public."Artists"'],
    ['select extract(day FROM at) from t where a IS DISTINCT FROM b for update', 'select t'],
    ['UPDATE ONLY t SET a = 1, b = 2 WHERE id IN (SELECT id FROM u)', 'UPDATE t SELECT u'],
    ['DELETE FROM t WHERE a = 1', 'DELETE t'],
    ['INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 2', 'INSERT t'],
    ['WITH r AS (SELECT * FROM a) INSERT INTO b SELECT * FROM r', 'SELECT a INSERT b SELECT r'],
    ['CREATE UNIQUE INDEX i ON t (a)', 'CREATE INDEX i'],
    ['CREATE TABLE IF NOT EXISTS app.t (a int)', 'CREATE TABLE app.t'],
    ['BEGIN', 'BEGIN'],
    ['SELECT 1; DELETE FROM t;', 'SELECT; DELETE t'],
    ['CALL refresh(1)', 'CALL refresh'],
    ['', ''],
  ];
  for (const [sql, expected] of cases) {
    it(`says ${JSON.stringify(expected)} of ${JSON.stringify(sql)}`, () =>
      assert.equal(describeSql(sql, postgresSql).summary, expected));
  }

  it('ends before the name that would make it longer than 255', () => {
    const [fits, doesNot] = ['b', 'bb'].map(end => `${'a'.repeat(246)}${end}`);
    assert.equal(describeSql(`SELECT 1 FROM ${fits}`, sqliteSql).summary.length, 254);
    assert.equal(describeSql(`SELECT 1 FROM ${fits}c`, sqliteSql).summary.length, 255);
    assert.equal(describeSql(`SELECT 1 FROM ${doesNot}c`, sqliteSql).summary, 'SELECT');
  });

  it('names the operation and the table where there is one of each', () => {
    const named = (sql: string): unknown[] => {
      const { operation, collection } = describeSql(sql, postgresSql);
      return [operation, collection];
    };
    assert.deepEqual(named('SELECT 1 FROM a.b'), ['SELECT', 'a.b']);
    assert.deepEqual(named('SELECT 1 FROM a JOIN b ON true'), ['SELECT', undefined]);
    assert.deepEqual(named('INSERT INTO a SELECT 1 FROM b'), [undefined, undefined]);
    assert.deepEqual(named('DROP TABLE a'), ['DROP TABLE', 'a']);
    assert.deepEqual(named('DROP DATABASE a'), ['DROP DATABASE', undefined]);
  });
});

describe('a long text', () => {
  it('is read up to a bound, and says that it was cut', () => {
    const whole = 'a'.repeat(SQL_LENGTH_MAX);
    assert.equal(textIn(postgresSql, whole), whole);
    assert.equal(textIn(postgresSql, `${whole}b`), `${whole} …`);
    assert.equal(textIn(postgresSql, `'${CANARY.repeat(SQL_LENGTH_MAX)}'`), '? …');
  });

  for (const piece of ['/*', "'", '"', '(', '$a', '$$', '--', 'IN (1,', 'a.', "E'", '1e+', ' \n']) {
    it(`takes time in proportion to its length, whatever it repeats: ${JSON.stringify(piece)}`, () => {
      const sql = piece.repeat(SQL_LENGTH_MAX / piece.length);
      let steps = 0;
      const counted = new Proxy(new String(sql), {
        get: (target, key) => {
          const value = Reflect.get(target, key) as unknown;
          if (key === 'length') return sql.length;
          steps++;
          return typeof value === 'function' ? value.bind(sql) : sql[Number(String(key))];
        },
      }) as unknown as string;
      describeSql(counted, postgresSql);
      assert.ok(steps < 12 * sql.length, `${steps} steps for ${sql.length} characters`);
    });
  }
});

describe('texts that are remembered', () => {
  it('are read once', () => {
    const operations = new SqlOperations(postgresSql);
    assert.equal(operations.of('SELECT 1'), operations.of(`SELECT ${1}`));
  });

  it('are no more than twice as many as a generation has, and those that are asked for stay', () => {
    const cache = new BoundedCache<number>(10);
    cache.set('asked for', 0);
    for (let i = 0; i < 100; i++) {
      cache.set(`text ${i}`, i);
      assert.equal(cache.get('asked for'), 0);
      assert.ok(cache.size <= 20);
    }
    assert.equal(cache.get('text 0'), undefined);
    assert.equal(cache.get('text 99'), 99);
  });
});
