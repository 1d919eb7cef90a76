// The databases that tests run against, each as small and as careless of its data as it can be made.
import { dirname } from 'node:path';
import type { ServerKind } from './server-process.ts';

export const USER = 'tester';
export const DATABASE = 'shop';

export const postgres: ServerKind = {
  install: 'apt-get install postgresql',
  programs: ['initdb', 'postgres'],
  folders: ['/usr/lib/postgresql/*/bin'],
  prepare: ([initdb], directory) => [
    ...[
      initdb!,
      '-D',
      `${directory}/data`,
      '-U',
      USER,
      '--auth=trust',
      '--no-sync',
      '--locale=C',
      '-E',
      'UTF8',
    ],
  ],
  command: ([, server], directory, port) => [
    ...[server!, '-D', `${directory}/data`, '-p', String(port), '-k', directory, '-h', '127.0.0.1'],
    ...['-c', 'fsync=off', '-c', 'shared_buffers=4MB', '-c', 'max_connections=20'],
  ],
  ready: /database system is ready to accept connections/,
  version: /starting PostgreSQL (\d+)/,
};

export const redis: ServerKind = {
  install: 'apt-get install redis-server',
  programs: ['redis-server'],
  folders: [],
  command: ([server], directory, port) => [
    ...[server!, '--port', String(port), '--bind', '127.0.0.1', '--dir', directory],
    ...['--save', '', '--appendonly', 'no', '--unixsocket', `${directory}/redis.sock`],
  ],
  ready: /Ready to accept connections/,
  version: /Redis version=(\d+\.\d+)/,
};

/** Temporary files of its own: a server deletes at its start what it takes for leftovers, another one's too. */
export const mariadb: ServerKind = {
  install: 'apt-get install mariadb-server',
  programs: ['mariadb-install-db', 'mariadbd'],
  folders: ['/usr/sbin', '/usr/libexec'],
  prepare: ([install], directory) => [
    ...[install!, '--no-defaults', `--datadir=${directory}/data`, '--auth-root-authentication-method=normal'],
    ...[`--tmpdir=${directory}`, '--skip-test-db', '--skip-name-resolve'],
  ],
  command: ([, server], directory, port) => [
    ...[server!, '--no-defaults', `--datadir=${directory}/data`, `--socket=${directory}/mariadb.sock`],
    ...[`--port=${port}`, '--bind-address=127.0.0.1', `--pid-file=${directory}/mariadb.pid`],
    `--tmpdir=${directory}`,
    ...['--skip-name-resolve', '--innodb-buffer-pool-size=8M', '--innodb-flush-log-at-trx-commit=0'],
  ],
  ready: /ready for connections[\s\S]*Version: '/,
  version: /Version: '(\d+\.\d+)/,
};

/** Speaks MongoDB's protocol over SQLite: MongoDB itself is in no distribution. */
const ferretProgram = process.env.TEST_FERRETDB;

export const ferretdb: ServerKind = {
  install: 'sh test/servers/ferretdb.sh FOLDER, then TEST_FERRETDB=FOLDER/ferretdb',
  programs: ['ferretdb'],
  folders: ferretProgram === undefined ? [] : [dirname(ferretProgram)],
  command: ([server], directory, port) => [
    ...[server!, '--handler=sqlite', `--sqlite-url=file:${directory}/`, `--state-dir=${directory}`],
    ...[`--listen-addr=127.0.0.1:${port}`, `--listen-unix=${directory}/mongodb.sock`, '--debug-addr=-'],
    '--telemetry=disable',
  ],
  ready: /Listening on Unix/,
  version: /FerretDB v(\d+\.\d+)/,
};
