// What an application's stderr has of the agent while it runs: the collector's absence and return, and messages of diag.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { root } from '../source-tree.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { run, withAgent } from './application.ts';

interface Living {
  readonly child: ChildProcess;
  stderr(): string;
  /** Resolves when its stderr has this text. */
  says(text: string): Promise<void>;
}

/** An application that makes one span and lives until it is ended. */
function living(env: NodeJS.ProcessEnv): Living {
  const script = `require('@opentelemetry/api').trace.getTracer('t').startSpan('kept').end(); setInterval(() => {}, 1000)`;
  const child = spawn(process.execPath, [...withAgent, '-e', script], {
    cwd: root,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  const says = async (text: string): Promise<void> => {
    while (!stderr.includes(text)) stderr += String((await once(child.stderr, 'data'))[0]);
  };
  return { child, stderr: () => stderr, says };
}

async function ended(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'close');
}

describe('an application with a collector', () => {
  it('says when it answers for the first time, to who asks what the agent does', async () => {
    const collector = await TestCollector.start();
    const { child, says } = living({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, TRICORD_DOCTOR: '1' });
    await says(`tricord: the collector at ${collector.url} answers.\n`);
    await ended(child);
    collector.stop();
  });
});

describe('an application without a collector', () => {
  it('names it once, and once when it answers, and has nothing lost', async () => {
    const gone = await TestCollector.start();
    const { port, url } = gone;
    gone.stop();
    const { child, stderr, says } = living({ OTEL_EXPORTER_OTLP_ENDPOINT: url });
    await says('cannot be reached');
    const back = await TestCollector.start({ port });
    await says('answers.');
    await back.until(({ taken }) => taken.some(({ signal }) => signal === 1));
    await ended(child);
    back.stop();
    const lines = stderr().trimEnd().split('\n');
    assert.equal(lines.length, 2, stderr());
    assert.match(
      lines[0]!,
      /^tricord: the collector at http:\S+ cannot be reached: .*ECONNREFUSED.*`npx tricord doctor`/,
    );
    assert.equal(lines[1], `tricord: the collector at ${url} answers.`);
  });
});

describe('messages of OpenTelemetry’s diag', () => {
  const script = `const { diag } = require('@opentelemetry/api');
    for (let i = 0; i < 3; i++) { diag.warn('odd', { a: 1 }); diag.error('bad'); diag.debug('fine'); }`;
  const off = { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
  const stderrAt = async (level: string): Promise<string> =>
    (await run(script, { env: { ...off, OTEL_LOG_LEVEL: level } })).stderr;

  it('are shown from the level of OTEL_LOG_LEVEL on, each once', async () => {
    assert.equal(await stderrAt('warn'), 'tricord: [warn] odd {"a":1}\ntricord: [error] bad\n');
    assert.equal(await stderrAt('error'), 'tricord: [error] bad\n');
    assert.match(await stderrAt('DEBUG'), /\[debug\] fine\n/);
  });

  it('are nobody’s business where it is not set, or none', async () => {
    assert.deepEqual([await stderrAt(''), await stderrAt('none')], ['', '']);
  });
});
