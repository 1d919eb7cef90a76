// What the build leaves in `dist/`: what is loaded, and nothing else.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from './source-tree.ts';

/** Files of a build that none of these sources would have made. */
function leftOver(files: readonly string[], sources: readonly string[]): string[] {
  const running = [
    ...['agent.cjs', 'worker.cjs', 'tricord.cjs', 'register.cjs', 'register.d.cts', 'register.js'],
    ...['libraries.cjs', 'delivery.cjs', 'runtime-metrics.cjs', 'self-metrics.cjs', 'slow-profiler.cjs'],
    ...['configuration-file.cjs', 'exponential-histogram.cjs', 'metrics-page.cjs', 'otel-variables.cjs'],
    ...['sdk.cjs', 'start-report.cjs', 'stock.cjs', 'view.cjs'],
    ...['index.js', 'sdk.js', 'instrument/pino.js', 'instrument/prom-client.js', 'transport/otlp/index.js'],
  ];
  const made = new Set([...running, ...sources.map(source => source.replace(/\.ts$/, '.d.ts'))]);
  return files.filter(file => !made.has(file));
}

describe('the folder of the built agent', () => {
  const files = globSync('**/*.{js,cjs,mjs,ts,cts,mts}', { cwd: join(root, 'dist') });
  const sources = globSync('**/*.ts', { cwd: join(root, 'src') });

  it('holds nothing that nobody loads', () => {
    assert.deepEqual(leftOver(files, sources), []);
  });

  it('is looked at: a copy of a module, or a source that is gone, is found', () => {
    const planted = ['log/logger.js', 'log/gone.d.ts'];
    assert.deepEqual(leftOver([...files, ...planted], sources), planted);
  });

  it('has an agent of which nothing is wrapped to be evaluated later', () => {
    const wrapped = (file: string): number =>
      readFileSync(join(root, 'dist', file), 'utf8').match(/\b__(?:esm|commonJS)\(/g)?.length ?? 0;
    assert.notEqual(wrapped('libraries.cjs'), 0);
    for (const file of ['agent.cjs', 'worker.cjs']) assert.equal(wrapped(file), 0, file);
  });

  it('has every file that the package exports', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object };
    const named = JSON.stringify(exports).match(/\.\/dist\/[^"]+/g)!;
    assert.deepEqual(
      named.filter(file => !files.includes(file.slice('./dist/'.length))),
      [],
    );
  });
});
