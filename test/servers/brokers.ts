// The brokers of messages that tests run against.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, missing, type RunningServer, type ServerKind, start } from './server-process.ts';

/** Where nodes of Erlang find each other: a RabbitMQ without one starts it and leaves it behind. */
const epmd: ServerKind = {
  install: 'apt-get install rabbitmq-server',
  programs: ['epmd'],
  folders: [],
  command: ([server], _directory, port) => [server!, '-port', String(port), '-address', '127.0.0.1', '-d'],
  ready: /epmd running/,
  version: /(?!)/,
};

const rabbitmq = (epmdPort: number, distributionPort: number): ServerKind => ({
  install: 'apt-get install rabbitmq-server',
  programs: ['rabbitmq-server'],
  // On the path is a script that wants to be run by root.
  folders: ['/usr/lib/rabbitmq/bin'],
  command: ([server]) => [server!],
  environment: (directory, port) => ({
    HOME: directory,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: `${directory}/none`,
    RABBITMQ_ADVANCED_CONFIG_FILE: `${directory}/none`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${directory}/plugins`,
    RABBITMQ_FEATURE_FLAGS_FILE: `${directory}/feature-flags`,
    RABBITMQ_MNESIA_BASE: `${directory}/mnesia`,
    RABBITMQ_LOG_BASE: `${directory}/log`,
    RABBITMQ_LOGS: '-',
    RABBITMQ_NODENAME: `test${port}@127.0.0.1`,
    RABBITMQ_USE_LONGNAME: 'true',
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +A 2 -kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // One process, which is the server: no shell around it.
    RUNNING_UNDER_SYSTEMD: '1',
  }),
  ready: /Server startup complete/,
  version: /Starting RabbitMQ (\d+\.\d+)/,
});

/** Why a test of RabbitMQ has to be skipped, and what would help; false when it need not. */
export const rabbitmqMissing: string | false = missing(epmd) || missing(rabbitmq(0, 0));

/** Starts a RabbitMQ, whose user is `guest`; resolves when it takes connections. */
export async function startRabbitmq(): Promise<RunningServer> {
  const names = await start(epmd);
  const server = await start(rabbitmq(names.port, await freePort()));
  return {
    ...server,
    async stop() {
      await server.stop();
      await names.stop();
    },
  };
}

/** The folder with the jars of a broker of Kafka, 4.0 or later, which no distribution has a package of. */
const kafkaJars = process.env.TEST_KAFKA_JARS;
const jvm = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=INFO', '-cp', `${kafkaJars}/*`];

const kafka = (controllerPort: number): ServerKind => ({
  install: 'apt-get install default-jre-headless',
  programs: ['java'],
  folders: [],
  prepare: ([java], directory) => [
    ...[java!, ...jvm, 'kafka.tools.StorageTool', 'format', '--standalone'],
    ...['-t', 'AAAAAAAAAAAAAAAAAAAAAA', '-c', kafkaProperties(directory, { controllerPort, port: 0 })],
  ],
  command: ([java], directory, port) => [
    ...[java!, ...jvm, 'kafka.Kafka', kafkaProperties(directory, { controllerPort, port })],
  ],
  ready: /Kafka Server started/,
  version: /Kafka version: (\d+\.\d+)/,
});

/** Writes the configuration of a broker that is its own controller; the path. */
function kafkaProperties(directory: string, { controllerPort, port }: Record<string, number>): string {
  const path = join(directory, 'server.properties');
  const listener = `PLAINTEXT://127.0.0.1:${port}`;
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    listeners: `${listener},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': listener,
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
    'log.dirs': join(directory, 'data'),
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
  };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(path, lines.join(''));
  return path;
}

/** Why a test of Kafka has to be skipped, and what would help; false when it need not. */
export const kafkaMissing: string | false =
  kafkaJars === undefined
    ? 'TEST_KAFKA_JARS is not set to a folder of jars: mvn -f test/servers/kafka dependency:copy-dependencies -DoutputDirectory=FOLDER'
    : missing(kafka(0));

/** Starts a broker of Kafka, which creates topics when they are asked for; resolves when it takes connections. */
export async function startKafka(): Promise<RunningServer> {
  return start(kafka(await freePort()));
}
