#!/usr/bin/env node
// The command line of `tricord-collector`: run, validate, version, help; signals and exit codes.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { countBuffersAsHeap } from './buffer-accounting.ts';
import { Collector } from './collector.ts';
import { ConfigError } from './config/problem.ts';
import { type Config, loadConfig } from './config.ts';
import { StartError } from './listen.ts';
import { Log, logLine } from './log.ts';
import { registry } from './registry.ts';
import { printable } from './suggestions.ts';

const usage = `Usage:
  tricord-collector [--config FILE]... [--set path=value]... [--data-dir DIR]
  tricord-collector validate [--config FILE]... [--set path=value]...

Options:
  --config FILE      a YAML file; of several, the later ones lie on top
  --set path=value   one value on top of all files, as in service.web.endpoint=127.0.0.1:8080
  --data-dir DIR     where the queue and the store lie; on top of service.data_dir
  --version          print the version
  --help             print this

Without --config it listens on 127.0.0.1:4317 (OTLP/gRPC and the stream), 127.0.0.1:4318 (OTLP/HTTP) and
127.0.0.1:4319 (page, queries, /metrics, /healthz), and keeps everything under ./tricord-data.
`;

/** The package's folder, from the sources and from the build alike. */
const packageDir = new URL(import.meta.url.endsWith('.ts') ? './' : '../', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('package.json', packageDir), 'utf8')) as {
  version: string;
};

async function main(argv: readonly string[]): Promise<void> {
  const { values, positionals } = parse(argv);
  const [command, ...rest] = positionals;
  if (values.help) process.stdout.write(usage);
  else if (values.version) process.stdout.write(`tricord-collector ${version}\n`);
  else if (rest.length > 0 || (command !== undefined && command !== 'validate')) {
    throw new StartError(`unknown command "${positionals.join(' ')}"; see --help`);
  } else {
    const config = await loadConfig(
      {
        files: values.config ?? [],
        settings: values.set ?? [],
        dataDir: values['data-dir'],
        environment: process.env,
      },
      registry,
    );
    if (command === 'validate') process.stdout.write('the configuration is valid\n');
    else await run(config);
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string', multiple: true },
        set: { type: 'string', multiple: true },
        'data-dir': { type: 'string' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new StartError(`${(error as Error).message}; see --help`);
  }
}

async function run(config: Config): Promise<void> {
  countBuffersAsHeap();
  // A reader of our output that goes away is no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const log = new Log(line => process.stderr.write(line), config.service.telemetry.logs.level);
  const pageDir = fileURLToPath(new URL('dist/web/page', packageDir));
  const collector = new Collector({ config, log, version, pageDir });
  stopOnSignal(collector, log);
  await collector.start();
  process.stdout.write(logLine('info', 'ready', { version, endpoints: collector.endpoints }));
}

/** The first signal drains and exits with 0, the second one exits at once. */
function stopOnSignal(collector: Collector, log: Log): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info('stopping', { signal });
    await collector.stop();
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

function fail(error: unknown): never {
  process.stderr.write(`${failureText(error)}\n`);
  process.exit(1);
}

function failureText(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof StartError) return `tricord-collector: ${printable(error.message)}`;
  return `tricord-collector: ${(error as Error).stack ?? String(error)}`;
}

main(process.argv.slice(2)).catch(fail);
