// The brokers of messages that tests run against.
import { freePort, missing, type RunningServer, type ServerKind, start } from './server-process.ts';

/** Where nodes of Erlang find each other: a RabbitMQ without one starts it and leaves it behind. */
const epmd: ServerKind = {
  package: 'rabbitmq-server',
  programs: ['epmd'],
  folders: [],
  command: ([server], _directory, port) => [server!, '-port', String(port), '-address', '127.0.0.1', '-d'],
  ready: /epmd running/,
  version: /(?!)/,
};

const rabbitmq = (epmdPort: number, distributionPort: number): ServerKind => ({
  package: 'rabbitmq-server',
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
