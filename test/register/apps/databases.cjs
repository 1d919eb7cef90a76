// A CommonJS application that asks the database that its environment names, under one span.
const { trace } = require('@opentelemetry/api');
const { PG_PORT, MYSQL_PORT, MONGODB_PORT, REDIS_PORT } = process.env;

const clients = {
  async pg() {
    const { Client } = require('pg');
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
    const connection = await require('mysql2/promise').createConnection({
      host: '127.0.0.1',
      port: Number(MYSQL_PORT),
      user: 'root',
    });
    await connection.execute('SELECT 1 FROM mysql.db');
    await connection.end();
  },
  async mongodb() {
    const client = new (require('mongodb').MongoClient)(`mongodb://127.0.0.1:${MONGODB_PORT}`);
    await client.db('admin').command({ ping: 1 });
    await client.close();
  },
  async ioredis() {
    const { Redis } = require('ioredis');
    const client = new Redis({ host: '127.0.0.1', port: Number(REDIS_PORT) });
    await client.get('a');
    await client.quit();
  },
  async redis() {
    const client = require('redis').createClient({ socket: { host: '127.0.0.1', port: Number(REDIS_PORT) } });
    await client.connect();
    await client.incr('b');
    client.destroy();
  },
  sqlite() {
    const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(':memory:');
    database.exec('SELECT 1');
    database.exec('SELECT 2 FROM sqlite_schema');
    database.close();
  },
  'better-sqlite3'() {
    const database = new (require('better-sqlite3'))(':memory:');
    database.prepare('SELECT 1 FROM sqlite_schema').all();
    database.close();
  },
};

trace.getTracer('application').startActiveSpan('work', async span => {
  await clients[process.env.LIBRARY]();
  span.end();
});
