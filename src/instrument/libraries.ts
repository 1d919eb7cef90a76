// Which libraries the instrumentations know: their versions, how they are told from others, and what is lost in which case.

export interface Library {
  readonly name: string;
  /** The name of the instrumentation, as TRICORD_INSTRUMENTATIONS has it. */
  readonly instrumentation: string;
  /** Major versions, the first and the last that are known to work. */
  readonly from: number;
  readonly to: number;
  /** A text of its source that stands in no other, and that a minifier keeps; without quotes, which a bundler may escape. */
  readonly signature: string;
  /** What happens to it in a bundle; undefined when it is observed there as well. */
  readonly bundled?: Loss;
  /** What happens when it is loaded before the agent; undefined when it makes no difference. */
  readonly early?: string;
}

interface Loss {
  readonly what: string;
  readonly advice: string;
  /** Nothing of the library is observed, rather than less. */
  readonly whole: boolean;
  /** What a bundle has in it when the application has taken the advice. */
  readonly cured?: RegExp;
}

/** What finds a library as the application loads it does not find it in the application's own file. */
const notObserved = (name: string): Loss => ({
  what: 'nothing of it is observed',
  advice: `leave it out of the bundle (esbuild: --external:${name})`,
  whole: true,
});

export const libraries: readonly Library[] = [
  {
    name: 'express',
    instrumentation: 'express',
    from: 4,
    to: 5,
    signature: '@@symbol:trust_proxy_default',
    bundled: {
      what: 'routes below a mounted router appear as the client wrote the mount',
      advice: 'leave it out of the bundle (esbuild: --external:express)',
      whole: false,
    },
    early: 'routes below routers that were mounted before appear as the client wrote the mount',
  },
  {
    name: 'fastify',
    instrumentation: 'fastify',
    from: 4,
    to: 5,
    signature: 'FST_ERR_CTP_ALREADY_PRESENT',
    early: 'instances that were made before tell no routes',
  },
  {
    name: 'pino',
    instrumentation: 'pino',
    from: 8,
    to: 10,
    signature: 'pino.lsCache',
    bundled: {
      what: 'its lines carry no trace, and are not sent',
      advice:
        'leave it out of the bundle (esbuild: --external:pino), or call instrumentPino(pino) of tricord/pino',
      whole: true,
      cured: /tricord[./]pino/,
    },
  },
  {
    name: 'prom-client',
    instrumentation: 'prom-client',
    from: 14,
    to: 15,
    signature: 'nodejs_eventloop_lag_stddev_seconds',
    bundled: {
      what: 'its metrics are not sent',
      advice:
        'leave it out of the bundle (esbuild: --external:prom-client), or call bridgeRegistry(register) of tricord/prometheus',
      whole: true,
      cured: /tricord\/prometheus|bridgeRegistry/,
    },
  },
  {
    name: 'undici',
    instrumentation: 'undici',
    from: 5,
    to: 8,
    signature: 'UND_ERR_HEADERS_OVERFLOW',
  },
  {
    name: 'koa',
    instrumentation: 'koa',
    from: 2,
    to: 3,
    signature: 'non-error thrown: %j',
    bundled: notObserved('koa'),
  },
  {
    name: 'hono',
    instrumentation: 'hono',
    from: 4,
    to: 4,
    signature: 'Context is not finalized. Did you forget to return a Response object',
    bundled: notObserved('hono'),
  },
  {
    name: '@grpc/grpc-js',
    instrumentation: 'grpc',
    from: 1,
    to: 1,
    signature: 'GRPC_NODE_VERBOSITY',
    bundled: notObserved('@grpc/grpc-js'),
  },
  {
    name: 'graphql',
    instrumentation: 'graphql',
    from: 16,
    to: 17,
    signature: 'Ensure that there is only one instance of ',
    bundled: notObserved('graphql'),
  },
  {
    name: 'pg',
    instrumentation: 'pg',
    from: 8,
    to: 8,
    signature: 'Client has already been connected. You cannot reuse a client.',
    bundled: notObserved('pg'),
  },
  {
    name: 'mysql2',
    instrumentation: 'mysql2',
    from: 2,
    to: 3,
    signature: 't add new command when connection is in closed state',
    bundled: notObserved('mysql2'),
  },
  {
    name: 'ioredis',
    instrumentation: 'ioredis',
    from: 4,
    to: 6,
    signature: 'enableOfflineQueue options is false',
    bundled: notObserved('ioredis'),
  },
  {
    name: 'redis',
    instrumentation: 'redis',
    from: 4,
    to: 6,
    signature: 'node-redis:command',
  },
  {
    name: 'mongodb',
    instrumentation: 'mongodb',
    from: 6,
    to: 7,
    signature: 'Unable to get response from server',
    bundled: notObserved('mongodb'),
    early: 'connections that were made before are not observed',
  },
  {
    name: 'better-sqlite3',
    instrumentation: 'better-sqlite3',
    from: 12,
    to: 13,
    signature: 'Option "memory" was removed in v7.0.0',
    bundled: notObserved('better-sqlite3'),
  },
  {
    name: 'amqplib',
    instrumentation: 'amqplib',
    from: 0,
    to: 2,
    signature: 'Channel ended, no reply will be forthcoming',
    bundled: notObserved('amqplib'),
    early: 'brokers are told by their addresses, not by their names',
  },
  {
    name: 'kafkajs',
    instrumentation: 'kafkajs',
    from: 1,
    to: 2,
    signature: 'Consumer groupId must be a non-empty string',
    bundled: notObserved('kafkajs'),
    early: 'producers and consumers that were made before are not observed',
  },
  {
    name: 'bullmq',
    instrumentation: 'bullmq',
    from: 5,
    to: 6,
    signature: "JobId cannot be '0' or start with",
    bundled: notObserved('bullmq'),
  },
  {
    name: 'winston',
    instrumentation: 'winston',
    from: 3,
    to: 3,
    signature: 'Attempt to write logs with no transports',
    bundled: notObserved('winston'),
  },
];

/** Libraries that ours do not observe and OpenTelemetry has an instrumentation for, `@opentelemetry/instrumentation-…`, by name. */
export const otherInstrumentations: Readonly<Record<string, string>> = {
  '@hapi/hapi': 'hapi',
  '@nestjs/core': 'nestjs-core',
  bunyan: 'bunyan',
  'cassandra-driver': 'cassandra-driver',
  dataloader: 'dataloader',
  'generic-pool': 'generic-pool',
  knex: 'knex',
  memcached: 'memcached',
  mongoose: 'mongoose',
  mysql: 'mysql',
  openai: 'openai',
  oracledb: 'oracledb',
  restify: 'restify',
  'socket.io': 'socket.io',
  tedious: 'tedious',
};

/** Agents that observe the same libraries, and SDKs that register with OpenTelemetry's API as this one does. */
export const otherAgents: Readonly<Record<string, string>> = {
  'dd-trace': 'Datadog’s agent',
  newrelic: 'New Relic’s agent',
  'elastic-apm-node': 'Elastic’s agent',
  applicationinsights: 'Application Insights',
  '@opentelemetry/sdk-node': 'an OpenTelemetry SDK',
  '@opentelemetry/sdk-trace-node': 'an OpenTelemetry SDK',
  '@opentelemetry/auto-instrumentations-node': 'an OpenTelemetry SDK',
  '@elastic/opentelemetry-node': 'an OpenTelemetry SDK',
  '@azure/monitor-opentelemetry': 'an OpenTelemetry SDK',
  '@splunk/otel': 'an OpenTelemetry SDK',
  '@sentry/node': 'Sentry, which has an OpenTelemetry SDK',
};

/** The package that a file belongs to, and the package's folder, by the last `node_modules` of its path. */
export function packageOfFile(file: string): { readonly name: string; readonly folder: string } | undefined {
  const match = /^(.*[\\/]node_modules[\\/])((?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(file);
  return match === null ? undefined : { name: match[2]!.replace('\\', '/'), folder: match[1]! + match[2]! };
}
