// Every instrumentation by its name, and which of them are asked for.

import { createRequire } from 'node:module';
import { afterLoading, type Options } from '../index.ts';
import { instrumentConsole } from './console.ts';
import { instrumentExpress } from './express.ts';
import { instrumentFastify } from './fastify.ts';
import { reportFault, tell } from './fault.ts';
import { instrumentGraphql } from './graphql.ts';
import { instrumentHono } from './hono.ts';
import { instrumentHttpClient } from './http-client.ts';
import { instrumentHttpServer } from './http-server.ts';
import { instrumentHttp2Client, instrumentHttp2Server } from './http2.ts';
import { onPackageLoad } from './module-hooks.ts';
import { instrumentLoadedPino } from './pino.ts';
import { instrumentPromClient } from './prom-client.ts';
import { instrumentSqlite } from './sqlite.ts';
import { instrumentUndici } from './undici.ts';

// Built, what it requires is in files beside the agent's: see `scripts/bundle.ts`.
const require = createRequire(import.meta.url);

/**
 * An instrumentation that is evaluated when the package of its name, or another of these, is loaded: what is not used costs
 * nothing.
 */
function whenUsed(
  name: string,
  install: () => void,
  ...others: readonly string[]
): [name: string, install: () => void] {
  const replaceThis = (): false => {
    install(); // It looks at what is loaded already, too.
    return false;
  };
  return [
    name,
    () => {
      for (const each of [name, ...others]) onPackageLoad(each, replaceThis);
    },
  ];
}

const instrumentations: ReadonlyMap<string, () => void> = new Map([
  ['http-server', instrumentHttpServer],
  ['http-client', instrumentHttpClient],
  ['http2-server', instrumentHttp2Server],
  ['http2-client', instrumentHttp2Client],
  ['undici', instrumentUndici],
  ['express', instrumentExpress],
  ['fastify', instrumentFastify],
  whenUsed('koa', () => (require('./koa.ts') as typeof import('./koa.ts')).instrumentKoa()),
  ['hono', instrumentHono],
  whenUsed(
    'grpc',
    () => (require('./grpc.ts') as typeof import('./grpc.ts')).instrumentGrpc(),
    '@grpc/grpc-js',
  ),
  ['graphql', instrumentGraphql],
  whenUsed('pg', () => (require('./pg.ts') as typeof import('./pg.ts')).instrumentPg(), 'pg-pool'),
  whenUsed('mysql2', () => (require('./mysql2.ts') as typeof import('./mysql2.ts')).instrumentMysql2()),
  ['sqlite', instrumentSqlite],
  whenUsed('better-sqlite3', () =>
    (require('./better-sqlite3.ts') as typeof import('./better-sqlite3.ts')).instrumentBetterSqlite3(),
  ),
  whenUsed('ioredis', () => (require('./ioredis.ts') as typeof import('./ioredis.ts')).instrumentIoredis()),
  whenUsed(
    'redis',
    () => (require('./redis.ts') as typeof import('./redis.ts')).instrumentRedis(),
    '@redis/client',
  ),
  whenUsed('mongodb', () => (require('./mongodb.ts') as typeof import('./mongodb.ts')).instrumentMongodb()),
  whenUsed('amqplib', () => (require('./amqplib.ts') as typeof import('./amqplib.ts')).instrumentAmqplib()),
  whenUsed('kafkajs', () => (require('./kafkajs.ts') as typeof import('./kafkajs.ts')).instrumentKafkajs()),
  whenUsed('bullmq', () => (require('./bullmq.ts') as typeof import('./bullmq.ts')).instrumentBullmq()),
  // Before those of the libraries that may write to the console: they ask whether it is observed.
  ['console', instrumentConsole],
  ['pino', instrumentLoadedPino],
  whenUsed('winston', () => (require('./winston.ts') as typeof import('./winston.ts')).instrumentWinston()),
  ['prom-client', () => onPackageLoad('prom-client', instrumentPromClient)],
  [
    'runtime-metrics',
    () =>
      afterLoading(() => {
        (require('./runtime-metrics.ts') as typeof import('./runtime-metrics.ts')).startRuntimeMetrics();
      }),
  ],
]);
/** What `all` leaves out: it is installed where it is named. */
const namedOnly: ReadonlySet<string> = new Set(['console']);
const all = [...instrumentations.keys()].filter(name => !namedOnly.has(name));

/** What OpenTelemetry's names of instrumentations stand for, where they are not the same. */
const otherNames: ReadonlyMap<string, readonly string[]> = new Map([
  ['http', ['http-server', 'http-client']],
  ['runtime-node', ['runtime-metrics']],
]);

type Selection = Pick<Options, 'instrumentations' | 'enabledInstrumentations' | 'disabledInstrumentations'>;

/**
 * Installs what is selected, once the global providers are set. One that fails, and a name that is not known, is told on
 * stderr; the others are installed.
 * @returns the names that were selected
 */
export function installInstrumentations(selection: Selection): ReadonlySet<string> {
  const names = selectedInstrumentations(selection);
  for (const [name, install] of instrumentations) {
    if (!names.has(name)) continue;
    try {
      install();
    } catch (error) {
      reportFault(`the instrumentation ${name}`, error);
    }
  }
  return names;
}

/**
 * What TRICORD_INSTRUMENTATIONS selects, and of that what OTEL_NODE_ENABLED_ and DISABLED_INSTRUMENTATIONS leave.
 * @param complain gets a line for each name that is not known
 */
export function selectedInstrumentations(
  selection: Selection,
  complain: (line: string) => void = tell,
): ReadonlySet<string> {
  const names = new Set(selected(selection.instrumentations, complain));
  const named = (item: string): readonly string[] => otherNames.get(item) ?? [item];
  const enabled = new Set(selection.enabledInstrumentations.flatMap(named));
  for (const name of enabled) {
    if (!instrumentations.has(name)) complain(unknown(name, 'OTEL_NODE_ENABLED_INSTRUMENTATIONS'));
  }
  if (enabled.size > 0) for (const name of names) if (!enabled.has(name)) names.delete(name);
  for (const name of selection.disabledInstrumentations.flatMap(named)) names.delete(name);
  return names;
}

/**
 * Items count from left to right: `all`, `none`, a name, or a name with a minus sign, which takes it out again; a list that
 * begins with a minus sign begins with all.
 */
function selected(list: readonly string[], complain: (line: string) => void): ReadonlySet<string> {
  const names = new Set(list[0]?.startsWith('-') ? all : []);
  for (const item of list) {
    const name = item.replace(/^-/, '');
    if (item === 'none') names.clear();
    else if (item === 'all') for (const each of all) names.add(each);
    else if (!instrumentations.has(name)) complain(unknown(item, 'TRICORD_INSTRUMENTATIONS'));
    else if (item === name) names.add(name);
    else names.delete(name);
  }
  return names;
}

function unknown(item: string, variable: string): string {
  const known = [...instrumentations.keys()].join(', ');
  return `${variable}: ${JSON.stringify(item)} is ignored; there are all, none, ${known}.`;
}
