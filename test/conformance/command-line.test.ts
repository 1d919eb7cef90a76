// The conformance tool: what it does not know it refuses, and a rule that is broken makes it fail.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

const main = join(import.meta.dirname, 'main.ts');
const rules = pathToFileURL(join(import.meta.dirname, 'rule.ts')).href;
const folder = mkdtempSync(join(tmpdir(), 'tricord-conformance-'));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');

function suite(name: string, source: string): void {
  mkdirSync(join(folder, name));
  writeFileSync(
    join(folder, name, 'some.test.ts'),
    `import { notApplicable, rule } from '${rules}';\n${source}`,
  );
}

suite(
  'kept',
  `rule('a/page § One', 'holds', () => {});
   rule('a/page § Two', 'holds', async () => {});
   notApplicable('another/page § Three', 'is about threads', 'There is one thread.');`,
);
suite(
  'broken',
  `rule('a/page § One', 'holds', () => {});
   rule('a/page § Two', 'does not hold', () => { throw new Error('it is the other way round'); });`,
);
suite('crashing', "throw new Error('no tests');");
suite('empty', '');

async function runTool(...args: string[]) {
  // Within a test file the runner would refuse to run files.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=source'];
  const tool = spawn(process.execPath, [...flags, main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const [output, errors, [code]] = await Promise.all([
    text(tool.stdout),
    text(tool.stderr),
    once(tool, 'exit'),
  ]);
  return { code, output, errors, summary: () => JSON.parse(output.trimEnd().split('\n').at(-1)!) };
}

describe('the conformance tool', () => {
  const refusals: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [[], /^One NAME is needed\.\n.*\n\n {2}NAME {8}otel-api, w3c\n/s],
    [['w3b'], /^There is no suite "w3b"\.\n.*NAME {8}otel-api, w3c\n/s],
    [['w3c', 'otel-api'], /^One NAME is needed\./],
    [['--form', 'x'], /^Unknown option '--form'/],
    [['--from', join(folder, 'nowhere'), 'w3c'], /^ENOENT/],
  ];
  for (const [args, message] of refusals) {
    it(`refuses ${args.join(' ') || 'nothing'}`, async () => {
      const { code, output, errors } = await runTool(...args);
      assert.equal(code, 2);
      assert.equal(output, '');
      assert.match(errors, message);
    });
  }

  it('counts rules by page, and says why one is not applicable', async () => {
    const { code, output, errors, summary } = await runTool('kept', '--from', folder);
    assert.deepEqual([code, errors], [0, '']);
    assert.match(output, /^a\/page +2 +0 +0$/m);
    assert.match(output, /^another\/page +0 +0 +1$/m);
    assert.match(
      output,
      /^not applicable: another\/page § Three: is about threads\n {2}There is one thread\.$/m,
    );
    const { suite: name, rules: count, passed, failed, notApplicable, reasons } = summary();
    assert.deepEqual([name, count, passed, failed, notApplicable], ['kept', 3, 2, 0, 1]);
    assert.deepEqual(reasons, { 'another/page § Three: is about threads': 'There is one thread.' });
  });

  it('fails with a rule that is broken, and says what was found', async () => {
    const { code, output, summary } = await runTool('broken', '--from', folder);
    assert.equal(code, 1);
    assert.match(output, /^FAILED: a\/page § Two: does not hold\n {2}it is the other way round$/m);
    const { passed, failed, failures } = summary();
    assert.deepEqual([passed, failed], [1, 1]);
    assert.deepEqual(failures, { 'a/page § Two: does not hold': 'it is the other way round' });
  });

  for (const name of ['crashing', 'empty']) {
    it(`fails when a suite is ${name}`, async () => {
      const { code, errors } = await runTool(name, '--from', folder);
      assert.equal(code, 1);
      assert.match(errors, name === 'empty' ? /^The suite "empty" has no rules\.\n$/ : /no tests/);
    });
  }
});
