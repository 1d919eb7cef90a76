// The doctor over applications: real bundles of esbuild and webpack, ES modules, TypeScript, libraries of every version, and other agents.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type BuildOptions, build } from 'esbuild';
import type { Finding } from '../../src/doctor/finding.ts';
import { libraries } from '../../src/instrument/libraries.ts';
import { root } from '../source-tree.ts';
import { webpackBundle } from '../webpack-bundle.ts';
import { about, examine, tricord } from './examination.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-doctor-'));
after(() => rmSync(folder, { recursive: true }));

/** No collector is needed here: its finding is another test's. */
const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SERVICE_NAME: 'examined' };

function file(name: string, text = ''): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

function install(name: string, version: string, at = '.', manifest: object = {}): void {
  const path = join(at, 'node_modules', name);
  file(join(path, 'package.json'), JSON.stringify({ name, version, ...manifest }));
  file(join(path, 'index.js'));
}

describe('a bundled application', () => {
  const packages = dirname(dirname(createRequire(import.meta.url).resolve('express/package.json')));
  const bundled = async (name: string, changes: BuildOptions = {}, extra = ''): Promise<Finding[]> => {
    const source = file(
      `src/${name}.mts`,
      `import express from 'express';
       import fastify from 'fastify';
       import pino from 'pino';
       import { register } from 'prom-client';
       ${extra}
       export const made: unknown[] = [express(), fastify(), pino(), register];`,
    );
    const outfile = join(folder, `${name}.cjs`);
    await build({
      ...{ entryPoints: [source], bundle: true, platform: 'node', outfile, logLevel: 'error' },
      nodePaths: [packages],
      ...changes,
    });
    const { findings } = await examine(['--require', join(root, 'src/register.ts'), outfile], { env });
    return findings.filter(({ topic }) => topic === 'application');
  };
  const levels = (findings: readonly Finding[]) =>
    Object.fromEntries(
      findings
        .filter(({ subject }) => subject.startsWith('bundled:'))
        .map(({ subject, level }) => [subject, level]),
    );
  const all = {
    'bundled:express': 'warning',
    'bundled:fastify': 'ok',
    'bundled:pino': 'problem',
    'bundled:prom-client': 'problem',
  };

  it('is told what is in it, and what to do', async () => {
    const findings = await bundled('plain');
    assert.deepEqual(levels(findings), all);
    const { text, advice } = about({ findings }, 'bundled:pino');
    assert.equal(text, 'pino is bundled into plain.cjs: its lines carry no trace, and are not sent');
    assert.match(advice!, /--external:pino\), or call instrumentPino\(pino\) of tricord\/pino/);
  });

  it('is seen through when it is minified, as CommonJS and as an ES module', async () => {
    assert.deepEqual(levels(await bundled('small', { minify: true })), all);
    const banner = {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    };
    const outfile = join(folder, 'small.mjs');
    await bundled('unused', { format: 'esm', minify: true, banner, outfile });
    const { findings } = await examine([outfile], { env });
    assert.match(about({ findings }, 'file').text, /^small\.mjs is an ES module/);
    assert.deepEqual(levels(findings), all);
  });

  // A minifier takes its time.
  const packed = {
    development: [
      ...['express', 'fastify', 'pino', 'prom-client', 'koa', 'hono', '@grpc/grpc-js', 'graphql'],
      ...['pg', 'mysql2', 'ioredis', 'redis', 'winston'],
    ],
    production: ['pino', 'graphql'],
  };
  for (const mode of ['development', 'production'] as const) {
    it(`is seen through when webpack has made it for ${mode}`, async () => {
      const names = packed[mode];
      const imports = names.map((name, i) => `import * as m${i} from '${name}'; globalThis.m${i} = m${i};`);
      const entry = file('src/packed.mjs', imports.join('\n'));
      const outfile = await webpackBundle(entry, mode, ['pg-native'], [packages]);
      const { findings } = await examine([outfile], { env });
      const found = findings.filter(({ subject }) => subject.startsWith('bundled:'));
      assert.deepEqual(
        found.map(({ subject }) => subject.slice('bundled:'.length)),
        libraries.map(({ name }) => name).filter(name => names.includes(name)),
      );
      assert.match(about({ findings }, 'bundled:pino').advice!, /instrumentPino\(pino\) of tricord\/pino/);
    });
  }

  it('has nothing to be told when the libraries are left out of it', async () => {
    const external = ['express', 'fastify', 'pino', 'prom-client'];
    assert.deepEqual(levels(await bundled('outside', { external })), {});
  });

  it('is fine when it instruments itself what is in it', async () => {
    const extra = `import { instrumentPino } from 'tricord/pino';
      import { bridgeRegistry } from 'tricord/prometheus';
      instrumentPino(pino); bridgeRegistry(register);`;
    const findings = await bundled('cured', { external: ['tricord'] }, extra);
    assert.deepEqual(levels(findings), { ...all, 'bundled:pino': 'ok', 'bundled:prom-client': 'ok' });
  });
});

describe('an application’s file', () => {
  const register = ['--import', join(root, 'src/register.ts')];

  it('may be an ES module with top-level await', async () => {
    const path = file('awaits/main.js', "import http from 'node:http';\nawait Promise.resolve(http);\n");
    const report = await examine([...register, path], { env });
    assert.deepEqual(
      report.findings.filter(({ topic, level }) => topic !== 'collector' && level !== 'ok'),
      [],
    );
    assert.match(about(report, 'file').text, /^main\.js is an ES module/);
  });

  it('may be TypeScript that Node.js runs directly', async () => {
    const path = file(
      'typed/main.mts',
      "import type { Server } from 'node:http';\nexport const server: Server | undefined = undefined;\n",
    );
    const report = await examine([...register, path], { env });
    assert.match(about(report, 'file').text, /^main\.mts is an ES module/);
    const typescript = about(report, 'typescript');
    const strips = Boolean(process.features.typescript);
    assert.equal(typescript.level, strips ? 'ok' : 'problem');
    const flagged = await examine(['--experimental-strip-types', ...register, path], { env });
    assert.equal(about(flagged, 'typescript').level, 'ok');
  });

  it('is what package.json says, or its extension, or its syntax', async () => {
    const kinds: readonly (readonly [string, string, RegExp])[] = [
      ['kinds/a.cjs', '', /is CommonJS/],
      ['kinds/b.mjs', '', /is an ES module/],
      ['kinds/c.js', "const fs = require('fs');", /is CommonJS/],
      ['typed-module/d.js', '', /is an ES module/],
    ];
    file('typed-module/package.json', '{"type":"module"}');
    for (const [name, text, expected] of kinds) {
      const { findings } = await examine([file(name, text)], { env });
      assert.match(about({ findings }, 'file').text, expected);
    }
  });

  it('that is not there is a problem; it may be named without its extension', async () => {
    const missing = await examine(['nowhere.js'], { env, cwd: folder });
    assert.deepEqual(
      [about(missing, 'file').level, about(missing, 'file').text],
      ['problem', 'there is no nowhere.js'],
    );
    file('app.js');
    assert.equal(about(await examine(['app'], { env, cwd: folder }), 'file').level, 'ok');
  });
});

describe('the agent', () => {
  const application = join(folder, 'preloaded/app.cjs');
  before(() => {
    file('preloaded/app.cjs', "const express = require('express');");
    file('started/app.mjs', "import { start } from 'tricord';\nstart();");
    file('preloaded/first.cjs');
    mkdirSync(join(folder, 'preloaded/node_modules'), { recursive: true });
    cpSync(join(root, 'package.json'), join(folder, 'preloaded/node_modules/tricord/package.json'));
    cpSync(join(root, 'dist'), join(folder, 'preloaded/node_modules/tricord/dist'), { recursive: true });
  });
  const cwd = join(folder, 'preloaded');

  it('is loaded first, by any flag, path or variable', async () => {
    const ways: readonly (readonly [readonly string[], string?])[] = [
      [['--require', 'tricord/register']],
      [['-r', 'tricord/register']],
      [['--import=tricord/register']],
      [['--import', './node_modules/tricord/dist/register.js']],
      [[], '--require "tricord/register"'],
      [['--no-warnings', '--conditions', 'x', '--import', 'tricord/register']],
    ];
    for (const [flags, nodeOptions] of ways) {
      const own = nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions, OTEL_SDK_DISABLED: 'true' };
      const report = await examine(['--', ...flags, application], { cwd, env: { ...env, ...own } });
      const found = about(report, 'register');
      assert.deepEqual([found.level, flags], ['ok', flags], found.text);
      assert.ok(!report.findings.some(({ subject }) => subject === 'order'));
    }
  });

  it('is not loaded, is started too late, or cannot be found', async () => {
    const missing = about(await examine([application], { cwd, env }), 'register');
    assert.equal(missing.level, 'problem');
    assert.match(missing.advice!, /node --require tricord\/register app\.js/);
    const started = about(await examine([join(folder, 'started/app.mjs')], { cwd, env }), 'register');
    assert.equal(started.level, 'warning');
    const elsewhere = await examine(['-r', 'tricord/register', application], { cwd: tmpdir(), env });
    assert.match(about(elsewhere, 'register').text, /cannot be found from/);
  });

  it('comes behind what is loaded before it, which is told', async () => {
    const flags = ['--import', 'tricord/register', '--require', './first.cjs'];
    const order = about(await examine([...flags, application], { cwd, env }), 'order');
    assert.deepEqual(
      [order.level, order.text],
      ['warning', './first.cjs is loaded before the agent, with all that it loads'],
    );
  });
});

describe('a library', () => {
  const application = join(folder, 'libraries/app.cjs');
  before(() => {
    const dependencies = Object.fromEntries(
      ['old-express', 'pg', 'tedious', 'knex', 'newrelic'].map(name => [name, '*']),
    );
    file('libraries/app.cjs', "const tracer = require('dd-trace').init();");
    file('libraries/package.json', JSON.stringify({ name: 'named', dependencies }));
    install('express', '5.1.0', 'libraries');
    install('old-express', '3.21.2', 'libraries', { name: 'express' });
    install('pino', '99.0.0', 'libraries');
    install('pg', '8.16.0', 'libraries');
    install('tedious', '6.0.0', 'libraries');
    install('knex', '3.0.0', 'libraries');
    install('@opentelemetry/instrumentation-knex', '0.60.0', 'libraries');
    install('memcached', '2.2.4', 'libraries');
    install('newrelic', '13.0.0', 'libraries');
    // Found by whatever lies in a folder above, as Node.js finds it.
    install('fastify', '5.0.0');
  });
  const judged = (more: NodeJS.ProcessEnv = {}) => examine([application], { env: { ...env, ...more } });

  it('is instrumented, too old, newer than known, unknown, or for another instrumentation', async () => {
    const report = await judged();
    const expected: Readonly<Record<string, readonly [string, RegExp]>> = {
      express: ['ok', /^express 5\.1\.0 is instrumented$/],
      fastify: ['ok', /^fastify 5\.0\.0 is instrumented$/],
      'old-express': [
        'problem',
        /^express 3\.21\.2 \(installed as old-express\) is not instrumented: versions from 4/,
      ],
      pino: ['warning', /newer than what is known to work, pino 10/],
      pg: ['ok', /^pg 8\.16\.0 is instrumented$/],
      tedious: ['warning', /^tedious 6\.0\.0 is not instrumented: tricord does not know it/],
      knex: ['ok', /for @opentelemetry\/instrumentation-knex 0\.60\.0/],
    };
    for (const [name, [level, text]] of Object.entries(expected)) {
      const found = about(report, name);
      assert.equal(found.level, level, name);
      assert.match(found.text, text);
    }
    assert.ok(!report.findings.some(({ subject }) => subject === 'memcached'), 'nobody asked for it');
  });

  it('is switched off', async () => {
    const own = await judged({ TRICORD_INSTRUMENTATIONS: '-express,-http-client' });
    assert.match(about(own, 'express').text, /switched off/);
    assert.match(about(own, 'node:http').text, /^http-client is switched off/);
    const theirs = await judged({ OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'express,fs' });
    assert.match(about(theirs, 'express').text, /switched off/);
    const only = await judged({ OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,knex' });
    assert.match(about(only, 'express').text, /switched off/);
    assert.equal(about(only, 'node:http').level, 'ok');
    assert.match(about(only, 'names').text, /OTEL_NODE_ENABLED_INSTRUMENTATIONS: "knex" is ignored/);
  });

  it('is for an instrumentation of OpenTelemetry’s that is asked for, and there or not', async () => {
    const report = await judged({ TRICORD_OTEL_INSTRUMENTATIONS: 'knex,mongoose' });
    const missing = about(report, 'stock:@opentelemetry/instrumentation-mongoose');
    assert.equal(missing.level, 'problem');
    assert.match(missing.text, /TRICORD_OTEL_INSTRUMENTATIONS names, is not among/);
    assert.ok(!report.findings.some(({ subject }) => subject.endsWith('instrumentation-knex')));
  });

  it('is another agent: loaded by the application, preloaded, or only there', async () => {
    const report = await examine(['-r', 'elastic-apm-node/start', application], { env });
    assert.deepEqual(
      ['dd-trace', 'elastic-apm-node', 'newrelic'].map(name => about(report, name).level),
      ['problem', 'problem', 'warning'],
    );
  });
});

describe('the environment', () => {
  it('is judged variable by variable', async () => {
    const report = await examine([], {
      cwd: folder,
      env: {
        ...env,
        OTEL_SERVICE_NAMES: 'misspelled',
        OTEL_METRIC_EXPORT_INTERVAL: 'soon',
        OTEL_BSP_MAX_QUEUE_SIZE: '4096',
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=canary',
        OTEL_PYTHON_LOG_LEVEL: 'debug',
        OTEL_SEMCONV_STABILITY_OPT_IN: 'http',
        TRICORD_LOGS_LINGER: '',
      },
    });
    const level = (name: string): string => about(report, name).level;
    assert.deepEqual(['OTEL_SERVICE_NAMES', 'OTEL_METRIC_EXPORT_INTERVAL'].map(level), [
      'problem',
      'problem',
    ]);
    assert.match(about(report, 'OTEL_SERVICE_NAMES').advice!, /OTEL_SERVICE_NAME\?$/);
    assert.match(
      about(report, 'OTEL_METRIC_EXPORT_INTERVAL').advice!,
      /a whole number \(ms, 10 to 3600000\)/,
    );
    assert.equal(level('OTEL_BSP_MAX_QUEUE_SIZE'), 'warning');
    assert.deepEqual(
      [
        'OTEL_EXPORTER_OTLP_HEADERS',
        'OTEL_PYTHON_LOG_LEVEL',
        'OTEL_SEMCONV_STABILITY_OPT_IN',
        'TRICORD_LOGS_LINGER',
      ].map(level),
      ['ok', 'ok', 'ok', 'ok'],
    );
    assert.doesNotMatch(JSON.stringify(report), /canary/);
    assert.equal(report.ok, false);
  });

  it('includes the files of variables that Node.js would read, behind what is set', async () => {
    file('files/.env', 'OTEL_SERVICE_NAME=from-file\nTRICORD_LOGS_LINGER=5\n');
    const cwd = join(folder, 'files');
    const report = await examine(['--', '--env-file=.env', '--env-file=missing.env'], { cwd, env });
    assert.match(about(report, 'TRICORD_LOGS_LINGER').text, /=5 is honoured/);
    assert.match(about(report, 'service.name').text, /"examined", from OTEL_SERVICE_NAME/);
    assert.match(about(report, 'env-file').text, /missing\.env/);
  });

  it('gives the service its name, else package.json does', async () => {
    const { OTEL_SERVICE_NAME: _, ...nameless } = env;
    const text = async (more: NodeJS.ProcessEnv, at: string): Promise<string> => {
      mkdirSync(join(folder, at), { recursive: true });
      const report = await examine([], { cwd: join(folder, at), env: { ...nameless, ...more } });
      return about(report, 'service.name').text;
    };
    file('service/package.json', '{"name":"from-manifest"}');
    assert.match(await text({}, 'service'), /"from-manifest", from .*service\/package\.json$/);
    const attributes = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=from-attributes' };
    assert.match(await text(attributes, 'service'), /"from-attributes", from OTEL_RESOURCE_ATTRIBUTES/);
    assert.match(await text({}, 'unnamed'), /appears as unknown_service:node/);
  });

  describe('with a configuration file', () => {
    const tracer = (more = ''): string =>
      `tracer_provider: { processors: [ { simple: { exporter: { otlp_grpc: { endpoint: "http://127.0.0.1:1"${more} } } } } ] }`;
    const under = (text: string, more: NodeJS.ProcessEnv = {}) => {
      const path = file('configured/otel.yaml', text);
      return examine([], { cwd: folder, env: { OTEL_CONFIG_FILE: path, ...more } });
    };

    it('is judged as the agent sees it: by the file and its own variables', async () => {
      const text = `file_format: "1.0"\nresource: { attributes: [ { name: service.name, value: filed } ] }\n${tracer()}`;
      const report = await under(text, {
        OTEL_SERVICE_NAME: 'other',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense',
        OTEL_METRIC_EXPORT_INTERVAL: 'soon',
        TRICORD_LOGS_LINGER: '-5',
      });
      assert.match(about(report, 'OTEL_CONFIG_FILE').text, /otel\.yaml is followed/);
      assert.match(about(report, 'service.name').text, /"filed", from .*configured\/otel\.yaml$/);
      assert.match(about(report, 'connection').text, /nothing answers at 127\.0\.0\.1:1/);
      for (const name of ['OTEL_SERVICE_NAME', 'OTEL_METRIC_EXPORT_INTERVAL']) {
        const { level, text: said } = about(report, name);
        assert.deepEqual(
          [level, said],
          ['ok', `${name} counts only where the file of OTEL_CONFIG_FILE names it`],
        );
      }
      assert.equal(about(report, 'TRICORD_LOGS_LINGER').level, 'problem');
    });

    it('is told what of the file is not followed, and where it stands', async () => {
      const report = await under(`file_format: "1.0"\n${tracer(', retries: 3')}`);
      const found = report.findings.find(({ subject }) => subject.endsWith('otel.yaml:2:103'))!;
      assert.equal(found.level, 'warning');
      assert.match(
        found.text,
        /tracer_provider\.processors\[0\]\.simple\.exporter\.otlp_grpc\.retries is ignored$/,
      );
      assert.match(found.advice!, /^there is no such setting here.*; see docs\/configuration-file\.md$/);
    });

    it('is told why the agent would not start with it, and of no collector that it would not call', async () => {
      const faults: readonly (readonly [string, RegExp])[] = [
        [
          'file_format: "1.0"\ndisabled: perhaps',
          /otel\.yaml:2:11: disabled is "perhaps"; it takes true or false/,
        ],
        ['a: [', /otel\.yaml:1:5: /],
        [
          'file_format: "1.0"\nmeter_provider: { views: [ { selector: { } } ] }',
          /otel\.yaml:2:28: meter_provider\.views\[0\]\.selector selects nothing/,
        ],
      ];
      for (const [text, expected] of faults) {
        const report = await under(text);
        const { level, text: said } = about(report, 'OTEL_CONFIG_FILE');
        assert.equal(level, 'problem');
        assert.match(said, expected);
        assert.ok(!report.findings.some(({ topic }) => topic === 'collector'));
      }
      const missing = await examine([], { cwd: folder, env: { OTEL_CONFIG_FILE: 'nowhere.yaml' } });
      assert.match(about(missing, 'OTEL_CONFIG_FILE').text, /nowhere\.yaml cannot be read: ENOENT/);
      assert.deepEqual([missing.ok, missing.problems], [false, 1]);
    });
  });

  it('may say that nothing is sent: then there is no collector to look for', async () => {
    const none = { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
    const { findings } = await examine([], { env: { ...env, ...none }, cwd: folder });
    const collector = findings.filter(({ topic }) => topic === 'collector');
    assert.deepEqual(
      collector.map(({ subject, level }) => [subject, level]),
      [['none', 'ok']],
    );
  });

  it('may have options that the agent does not start with', async () => {
    const invalid = { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' };
    assert.match(
      about(await examine([], { env: invalid, cwd: folder }), 'options').text,
      /"nonsense" is not a URL/,
    );
    const unreadable = { ...env, OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere/ca.pem' };
    assert.match(about(await examine([], { env: unreadable, cwd: folder }), 'options').text, /cannot read/);
    const off = await examine([], { env: { ...env, OTEL_SDK_DISABLED: 'true' }, cwd: folder });
    assert.deepEqual([about(off, 'disabled').level, off.ok], ['warning', true]);
  });
});

describe('the report', () => {
  const disabled = { ...env, OTEL_SDK_DISABLED: 'true' };

  it('is for a person, with what to do below what is not as it should be, and says by its exit code whether that is all right', async () => {
    const good = await tricord(['doctor'], { env: disabled, cwd: folder });
    assert.deepEqual([good.code, good.stderr], [0, '']);
    assert.match(good.stdout, /^runtime\n {2}ok {7}tricord \d/);
    assert.match(good.stdout, / {2}warning {2}the agent is switched off\n {11}→ unset OTEL_SDK_DISABLED\n/);
    assert.match(good.stdout, /\n0 problems, 1 warning\n$/);
    const bad = await tricord(['doctor'], { env, cwd: folder });
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, / {2}problem {2}nothing answers at 127\.0\.0\.1:1 \(ECONNREFUSED\)\n/);
  });

  it('lets nothing through that moves the cursor', async () => {
    const { stdout } = await tricord(['doctor'], {
      env: { ...disabled, OTEL_SERVICE_NAME: 'a\u001b[31m\u202eb' },
      cwd: folder,
    });
    assert.ok(!stdout.includes('\u001b') && !stdout.includes('\u202e'));
  });

  it('is explained on request; another command is refused', async () => {
    const help = await tricord(['doctor', '--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^tricord doctor \[--json\] \[--\] \[node arguments\] \[app\.js\]\n/);
    const wrong = await tricord(['nurse']);
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
  });

  it('comes from the built command as well', () => {
    const linked = join(folder, 'tricord-command');
    symlinkSync(join(root, 'dist/tricord.cjs'), linked);
    const { status, stdout } = spawnSync(process.execPath, [linked, 'doctor', '--json'], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...disabled },
      encoding: 'utf8',
    });
    assert.deepEqual([status, JSON.parse(stdout).ok], [0, true]);
  });
});
