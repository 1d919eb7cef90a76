// An ES module application that asks the database that its environment names, under one span.
import { trace } from '@opentelemetry/api';
import BetterSqlite3 from 'better-sqlite3';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { createClient } from 'redis';

const { PG_PORT, MYSQL_PORT, MONGODB_PORT, REDIS_PORT } = process.env;

const clients = {
  async pg() {
    const client = new Client({
      host: '127.0.0.1',
      port: Number(PG_PORT),
      user: 'tester',
      database: 'postgres',
    });
    await client.connect();
    await client.query('SELECT 1 FROM pg_class');
    await client.end();
  },
  async mysql2() {
    const connection = await createConnection({ host: '127.0.0.1', port: Number(MYSQL_PORT), user: 'root' });
    await connection.execute('SELECT 1 FROM mysql.db');
    await connection.end();
  },
  async mongodb() {
    const client = new MongoClient(`mongodb://127.0.0.1:${MONGODB_PORT}`);
    await client.db('admin').command({ ping: 1 });
    await client.close();
  },
  async ioredis() {
    const client = new Redis({ host: '127.0.0.1', port: Number(REDIS_PORT) });
    await client.get('a');
    await client.quit();
  },
  async redis() {
    const client = createClient({ socket: { host: '127.0.0.1', port: Number(REDIS_PORT) } });
    await client.connect();
    await client.incr('b');
    client.destroy();
  },
  async sqlite() {
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(':memory:');
    database.exec('SELECT 1');
    database.exec('SELECT 2 FROM sqlite_schema');
    database.close();
  },
  async 'better-sqlite3'() {
    const database = new BetterSqlite3(':memory:');
    database.prepare('SELECT 1 FROM sqlite_schema').all();
    database.close();
  },
};

trace.getTracer('application').startActiveSpan('work', async span => {
  await clients[process.env.LIBRARY]();
  span.end();
});
