// The collector as a process: its ready line, its signals, its exit codes, and one clear message for what is wrong.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { logsRequest, traceRequest } from './requests.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'tricord-cli-'));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const sidecar = write(
  'sidecar.yaml',
  `
receivers: { otlp: { protocols: { grpc: { endpoint: 127.0.0.1:0 }, http: { endpoint: 127.0.0.1:0 } } } }
exporters: { debug: {} }
service:
  web: { endpoint: 127.0.0.1:0 }
  pipelines:
    traces: { receivers: [otlp], exporters: [debug] }
    logs: { receivers: [otlp], exporters: [debug] }
`,
);

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Process {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  readonly #lines: AsyncIterableIterator<string>;

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    const main = join(root, 'collector/main.ts');
    this.child = spawn(process.execPath, ['--conditions=source', main, ...args], {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      this.child[name]!.on('data', (chunk: Buffer) => {
        output[name] += chunk.toString();
      });
    }
    this.ended = once(this.child, 'close').then(([code]) => ({ code, ...output }));
    this.#lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  /** The endpoints of the ready line. */
  async ready(): Promise<Record<string, string>> {
    const { value, done } = await this.#lines.next();
    if (done) assert.fail(`it ended before it was ready: ${(await this.ended).stderr}`);
    const line = JSON.parse(value) as { msg: string; endpoints: Record<string, string> };
    assert.equal(line.msg, 'ready');
    return line.endpoints;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

const run = (args: readonly string[], environment?: Record<string, string>): Promise<Ending> =>
  new Process(args, environment).ended;

const dataDir = (name: string): string[] => ['--data-dir', join(folder, name)];

describe('tricord-collector', () => {
  it('says when every listener listens, drains on SIGTERM and exits with 0', async () => {
    const collector = new Process(['--config', sidecar, ...dataDir('drain')]);
    const endpoints = await collector.ready();
    assert.deepEqual(Object.keys(endpoints).sort(), ['otlp.grpc', 'otlp.http', 'web']);
    const health = await fetch(`http://${endpoints.web}/healthz`);
    assert.equal(health.status, 200);
    assert.equal(((await health.json()) as { status: string }).status, 'ready');
    const headers = { 'content-type': 'application/x-protobuf' };
    const sent = await fetch(`http://${endpoints['otlp.http']}/v1/traces`, {
      method: 'POST',
      body: traceRequest(['last']),
      headers,
    });
    assert.equal(sent.status, 200);
    collector.kill('SIGTERM');
    const { code, stderr } = await collector.ended;
    assert.equal(code, 0);
    assert.match(stderr, /"signal":"SIGTERM","msg":"stopping"/);
    assert.match(stderr, /"signal":"traces","items":1/);
  });

  it('keeps what it acknowledged when it is killed, and exports it after the next start', async () => {
    const nowhere = createTcpServer();
    nowhere.listen(0, '127.0.0.1');
    await once(nowhere, 'listening');
    const { port } = nowhere.address() as AddressInfo;
    nowhere.close();
    const forward = sidecarWith(`otlp: { endpoint: "http://127.0.0.1:${port}" }`, 'otlp');
    const first = new Process(['--config', forward, ...dataDir('kept')]);
    const { 'otlp.http': http } = await first.ready();
    const headers = { 'content-type': 'application/x-protobuf' };
    const body = logsRequest(['kept']);
    assert.equal((await fetch(`http://${http}/v1/logs`, { method: 'POST', body, headers })).status, 200);
    first.kill('SIGKILL');
    await first.ended;
    // An exporter that is new to the queue begins with the oldest batch in it.
    const debug = sidecarWith('debug/otlp: {}', 'debug/otlp');
    const second = new Process(['--config', debug, ...dataDir('kept')]);
    await second.ready();
    second.kill('SIGTERM');
    const { code, stderr } = await second.ended;
    assert.equal(code, 0);
    assert.match(stderr, /"signal":"logs","items":1/);
  });

  it('exits at once on a second SIGTERM', async () => {
    const stuck = createServer(() => undefined);
    stuck.listen(0, '127.0.0.1');
    await once(stuck, 'listening');
    const { port } = stuck.address() as AddressInfo;
    const forward = sidecarWith(`otlp: { endpoint: "http://127.0.0.1:${port}" }`, 'otlp');
    const settings = ['--set', 'service.shutdown_timeout=1h'];
    const collector = new Process(['--config', forward, ...settings, ...dataDir('stuck')]);
    const { 'otlp.http': http } = await collector.ready();
    const headers = { 'content-type': 'application/x-protobuf' };
    await fetch(`http://${http}/v1/traces`, { method: 'POST', body: traceRequest(['x']), headers });
    const stopping = once(createInterface({ input: collector.child.stderr! }), 'line');
    collector.kill('SIGTERM');
    await stopping;
    collector.kill('SIGTERM');
    assert.equal((await collector.ended).code, 1);
    stuck.closeAllConnections();
    stuck.close();
  });

  it('refuses a configuration file that is not there', async () => {
    const { code, stderr } = await run(['--config', join(folder, 'nothing.yaml')]);
    assert.equal(code, 1);
    assert.match(stderr, /nothing\.yaml: cannot be read: ENOENT/);
  });

  it('validates: 0 and a word for a good one, 1 and every problem for a bad one', async () => {
    const good = await run(['validate', '--config', sidecar]);
    assert.deepEqual([good.code, good.stdout], [0, 'the configuration is valid\n']);
    const file = write('bad.yaml', 'recievers: {}\nservice: { pipelines: { trace: {} } }\n');
    const bad = await run(['validate', '--config', file]);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /bad\.yaml:1:1: unknown key "recievers"; did you mean "receivers"\?/);
    assert.match(bad.stderr, /bad\.yaml:2:25: "trace" is no pipeline id/);
  });

  it('accepts the example that it is deployed with', async () => {
    const example = await run(['validate', '--config', join(root, 'deploy/collector.yaml')]);
    assert.deepEqual([example.code, example.stderr], [0, '']);
  });

  it('has a version, and one line for an option that it does not know', async () => {
    assert.match((await run(['--version'])).stdout, /^tricord-collector \d+\.\d+\.\d+\n$/);
    const { code, stderr } = await run(['--confg', 'x']);
    assert.equal(code, 1);
    assert.match(stderr, /^tricord-collector: Unknown option '--confg'[^\n]*\n$/);
  });

  it('names the address and the key when a port is in use', async () => {
    const taken = createTcpServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
    const set = ['--set', `receivers.otlp.protocols.grpc.endpoint=${address}`];
    const { code, stderr, stdout } = await run(['--config', sidecar, ...set, ...dataDir('in-use')]);
    assert.deepEqual([code, stdout], [1, '']);
    const told = `^tricord-collector: ${address} \\(receivers\\.otlp\\.protocols\\.grpc\\.endpoint\\) is in use by another[^\\n]*\n$`;
    assert.match(stderr, new RegExp(told));
    taken.close();
  });

  it('names a data directory that cannot be used, and the reason', async () => {
    const file = write('a-file', '');
    const { code, stderr } = await run(['--config', sidecar, '--data-dir', join(file, 'data')]);
    assert.equal(code, 1);
    assert.match(stderr, /the data directory .*a-file.data cannot be used: ENOTDIR/);
  });

  it('names a data directory whose parent takes none', { skip: !existsSync('/proc/self') }, async () => {
    const { code, stderr } = await run(['--config', sidecar, '--data-dir', '/proc/self/data/x']);
    assert.equal(code, 1);
    assert.match(stderr, /the data directory \/proc\/self\/data\/x cannot be used: ENOENT/);
  });

  it('refuses a data directory that another collector uses', async () => {
    const first = new Process(['--config', sidecar, ...dataDir('shared')]);
    await first.ready();
    const { code, stderr } = await run(['--config', sidecar, ...dataDir('shared')]);
    assert.equal(code, 1);
    assert.match(stderr, /the queue cannot be opened: .*shared/);
    first.kill('SIGTERM');
    await first.ended;
  });

  it('goes on when nobody reads its output any more', async () => {
    const collector = new Process(['--config', sidecar, ...dataDir('deaf')]);
    const { web, 'otlp.http': http } = await collector.ready();
    collector.child.stdout!.destroy();
    collector.child.stderr!.destroy();
    const headers = { 'content-type': 'application/x-protobuf' };
    await fetch(`http://${http}/v1/traces`, { method: 'POST', body: traceRequest(['x']), headers });
    assert.equal((await fetch(`http://${web}/healthz`)).status, 200);
    const socket = connect(Number(web!.split(':')[1]), '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
    const exited = once(collector.child, 'exit');
    collector.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });
});

/** The sidecar with another exporter. */
function sidecarWith(exporter: string, id: string): string {
  const name = `with-${id.replace('/', '-')}.yaml`;
  return write(
    name,
    `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:0 } } } }
exporters: { ${exporter} }
service:
  web: { endpoint: 127.0.0.1:0 }
  pipelines:
    traces: { receivers: [otlp], exporters: [${id}] }
    logs: { receivers: [otlp], exporters: [${id}] }
`,
  );
}
