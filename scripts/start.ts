// The demonstration: builds, starts the collector, the example services and a gentle load, and says where to look.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child } from './child.ts';
import { type LoadCounts, load } from './load.ts';

const root = resolve(import.meta.dirname, '..');
const usage = `npm start [-- options]

  --grpc-port N       collector, OTLP/gRPC and stream (4317)
  --http-port N       collector, OTLP/HTTP (4318)
  --web-port N        collector, page and query APIs (4319)
  --shop-port N       the shop (8080)
  --inventory-port N  the inventory (8081)
  --data-dir DIR      what the collector keeps (./tricord-data)
  --rate N            requests per second (5)
`;

const say = (text: string): unknown => process.stdout.write(`${text}\n`);

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

interface Settings {
  readonly ports: {
    readonly grpc: number;
    readonly http: number;
    readonly web: number;
    readonly shop: number;
    readonly inventory: number;
  };
  readonly dataDir: string;
  readonly rate: number;
}

function readSettings(): Settings {
  const text = (fallback: string): { type: 'string'; default: string } => ({
    type: 'string',
    default: fallback,
  });
  const options = {
    'grpc-port': text('4317'),
    'http-port': text('4318'),
    'web-port': text('4319'),
    'shop-port': text('8080'),
    'inventory-port': text('8081'),
    'data-dir': text(join(root, 'tricord-data')),
    rate: text('5'),
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  try {
    const { values } = parseArgs({ options });
    if (values.help) {
      say(usage);
      process.exit(0);
    }
    const number = (name: Exclude<keyof typeof options, 'help' | 'data-dir'>, max: number): number => {
      const value = Number(values[name]);
      if (!Number.isInteger(value) || value < 1 || value > max)
        fail(`--${name} is "${values[name]}"; it takes 1 to ${max}.`);
      return value;
    };
    const port = (name: 'grpc' | 'http' | 'web' | 'shop' | 'inventory'): number =>
      number(`${name}-port`, 65_535);
    return {
      ports: {
        grpc: port('grpc'),
        http: port('http'),
        web: port('web'),
        shop: port('shop'),
        inventory: port('inventory'),
      },
      dataDir: resolve(values['data-dir']),
      rate: number('rate', 200),
    };
  } catch (error) {
    fail(`${(error as Error).message}\n\n${usage}`);
  }
}

const purposes = {
  grpc: 'the collector’s OTLP/gRPC and stream',
  http: 'the collector’s OTLP/HTTP',
  web: 'the collector’s page and query APIs',
  shop: 'the shop',
  inventory: 'the inventory',
} as const;

/** Another port to propose, far from the usual ones. */
const otherPort = (port: number): number => (port < 50_000 ? port + 10_000 : port - 10_000);

async function requireFreePorts(ports: Settings['ports']): Promise<void> {
  for (const [name, port] of Object.entries(ports)) {
    const probe = createServer();
    try {
      await once(probe.listen(port, '127.0.0.1'), 'listening');
      await new Promise(closed => probe.close(closed));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const reason = code === 'EADDRINUSE' ? 'is in use' : `cannot be listened on (${code})`;
      fail(
        `Port ${port}, for ${purposes[name as keyof typeof purposes]}, ${reason}.\n` +
          `Stop what listens there, or choose another: npm start -- --${name}-port ${otherPort(port)}`,
      );
    }
  }
}

function build(): void {
  say('Building …');
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.ts')], {
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) fail('The build failed; the messages above say where.');
}

const children: Child[] = [];

async function start(
  name: string,
  folder: string,
  args: readonly string[],
  env: Record<string, string>,
  ready: RegExp,
): Promise<void> {
  say(`Starting ${name} …`);
  children.push(
    await Child.start({ name, cwd: join(root, folder), args, env, ready, readyWithinMs: 30_000 }),
  );
}

async function startAll({ ports, dataDir }: Settings): Promise<void> {
  const collector = [
    'dist/main.js',
    ...['--data-dir', dataDir],
    ...['--set', `receivers.otlp.protocols.grpc.endpoint=127.0.0.1:${ports.grpc}`],
    ...['--set', `receivers.otlp.protocols.http.endpoint=127.0.0.1:${ports.http}`],
    ...['--set', `service.web.endpoint=127.0.0.1:${ports.web}`],
  ];
  const agent = ['--require', 'tricord/register', 'main.ts'];
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports.grpc}`,
    OTEL_METRIC_EXPORT_INTERVAL: '5000',
    TRICORD_METRIC_LABELS: 'tenant',
    TRICORD_BAGGAGE_LABELS: 'tenant',
  };
  const shop = {
    PORT: String(ports.shop),
    INVENTORY_URL: `http://127.0.0.1:${ports.inventory}`,
    OTEL_SERVICE_NAME: 'shop',
  };
  const inventory = { PORT: String(ports.inventory), OTEL_SERVICE_NAME: 'inventory' };
  await start('the collector', 'collector', collector, {}, /"msg":"ready"/);
  await start(
    'inventory (Fastify, SQLite)',
    'examples/inventory',
    agent,
    { ...env, ...inventory },
    /listening/,
  );
  await start('shop (Express)', 'examples/shop', agent, { ...env, ...shop }, /listening/);
  say('Starting newsletter (stock OpenTelemetry SDK) …');
  children.push(
    new Child({
      name: 'newsletter',
      cwd: join(root, 'examples/stock-otel'),
      args: ['main.ts'],
      env,
      ready: /^/,
      readyWithinMs: 0,
    }),
  );
}

function announce({ ports, rate }: Settings): void {
  say(`
Running. Open  http://127.0.0.1:${ports.web}

  · Services: rate, errors and latency of shop and inventory, fed by ${rate} requests a second.
  · Click a point of the latency plot: it is an exemplar and opens its trace, across both services,
    with the log lines of both beside the waterfall.
  · Slowest traces: the antique globe is kept in a far warehouse.
  · newsletter runs the stock OpenTelemetry SDK and sends to the same collector.

Yours to try:  curl http://127.0.0.1:${ports.shop}/products/brass-compass -H 'x-tenant: acme'
Ctrl-C stops everything.
`);
}

async function stopAll(): Promise<void> {
  for (const child of children.toReversed()) await child.stop();
}

async function watch(counts: LoadCounts, signal: AbortSignal): Promise<void> {
  const since = Date.now();
  while (!signal.aborted) {
    await delay(10_000, undefined, { signal }).catch(() => {});
    const dead = children.find(child => !child.running);
    if (dead !== undefined && !signal.aborted) {
      await stopAll();
      fail(`${dead.name} ended unexpectedly:\n${dead.tail()}`);
    }
    const seconds = Math.round((Date.now() - since) / 1000);
    say(`${seconds} s: ${counts.sent} requests sent, ${counts.failed} without an answer`);
  }
}

const settings = readSettings();
await requireFreePorts(settings.ports);
build();
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
try {
  await startAll(settings);
} catch (error) {
  await stopAll();
  fail((error as Error).message);
}
announce(settings);
const counts: LoadCounts = { sent: 0, failed: 0 };
await Promise.all([
  load(`http://127.0.0.1:${settings.ports.shop}`, settings.rate, counts, stopping.signal),
  watch(counts, stopping.signal),
]);
say('Stopping …');
await stopAll();
say('Stopped.');
