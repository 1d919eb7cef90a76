// Holds the style: sizes, who may import whom, no cycles, no dead files, first lines that say the file's job.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { functionsOf, importsOf, type SourceFile, sourceFiles } from './source-tree.ts';

const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

const product = sourceFiles('src', 'collector');
const everything = [...product, ...sourceFiles('scripts', 'examples', 'bench', 'test')];

/** The import table of the architecture: the first row that matches a file decides what it may import. */
const table: readonly { readonly from: RegExp; readonly may: RegExp }[] = [
  { from: /^src\/transport\/otlp\//, may: /^src\/transport\/otlp\/|^node:buffer$/ },
  { from: /^src\/transport\//, may: /^src\/(transport\/|errors\.ts|limits\.ts)|^node:/ },
  { from: /^src\/context\//, may: /^src\/(context\/|errors\.ts|limits\.ts)|^node:|^@opentelemetry\// },
  {
    from: /^src\/trace\//,
    may: /^src\/(trace|context|transport\/otlp)\/|^src\/(errors|limits)\.ts$|^node:|^@opentelemetry\//,
  },
  {
    from: /^src\/metrics\//,
    may: /^src\/(metrics|context|transport\/otlp)\/|^src\/(errors|limits)\.ts$|^node:|^@opentelemetry\//,
  },
  {
    from: /^src\/log\//,
    may: /^src\/(log|context|transport\/otlp)\/|^src\/(errors|limits)\.ts$|^node:|^@opentelemetry\//,
  },
  {
    from: /^src\/instrument\//,
    may: /^src\/instrument\/|^src\/index\.ts$|^node:|^@opentelemetry\/|^pino$|^prom-client$/,
  },
  {
    from: /^src\/(options|read-options|option-kinds|otel-variables|sampling-rules|nearest|limits|errors|exit)\.ts$/,
    may: /^src\/(errors|limits|options|option-kinds|otel-variables|sampling-rules|nearest)\.ts$|^node:/,
  },
  {
    from: /^src\/(notices|collector-watch|self-metrics|export-durations)\.ts$/,
    may: /^src\/(trace|metrics|log|profile|context|transport)\/|^src\/(options|export-durations)\.ts$|^@opentelemetry\//,
  },
  { from: /^src\/profile\//, may: /^src\/(profile|context|transport)\/|^src\/limits\.ts$|^node:/ },
  { from: /^src\/pem\.ts$/, may: /^src\/(options|option-kinds|errors)\.ts$|^node:/ },
  { from: /^src\/metrics-page\.ts$/, may: /^src\/(metrics|transport\/otlp)\/|^node:/ },
  { from: /^src\/(resource-message|start-line)\.ts$/, may: /^src\/transport\/otlp\/|^src\/options\.ts$/ },
  { from: /^src\/doctor\//, may: /^src\/(?!index\.ts|register\.ts)|^node:|^@opentelemetry\// },
  {
    from: /^src\/configuration(-file|-tree|-views)?\.ts$/,
    may: /^src\/(configuration-(file|tree|views)|metrics\/view|options|read-options|errors)\.ts$|^node:|^yaml$/,
  },
  {
    from: /^src\/(index|sdk|connection|sdk-connection)\.ts$/,
    may: /^src\/(?!instrument|doctor)|^node:|^@opentelemetry\//,
  },
  { from: /^src\/register\.ts$/, may: /^src\/instrument\// },
  { from: /^collector\/self-telemetry\.ts$/, may: /^collector\/|^tricord(\/otlp)?$|^node:/ },
  { from: /^collector\/queue\//, may: /^collector\/(queue\/|component\.ts$)|^tricord\/otlp$|^node:/ },
  {
    from: /^collector\/store\//,
    may: /^collector\/(store\/|(component|directory)\.ts$)|^tricord\/otlp$|^node:|^(?!(collector|src|test|scripts|bench|examples|tricord)\b)[@a-z]/,
  },
  {
    from: /^collector\/query\//,
    may: /^collector\/(query\/|store\/|web\/router\.ts$)|^tricord\/otlp$|^node:|^(?!(collector|src|test|scripts|bench|examples|tricord)\b)[@a-z]/,
  },
  {
    from: /^collector\/exporters\/store\//,
    may: /^collector\/(exporters\/|store\/|(component|factory|config\/values)\.ts$)|^tricord\/otlp$|^node:|^(?!(collector|src|test|scripts|bench|examples|tricord)\b)[@a-z]/,
  },
  {
    from: /^collector\/receivers\//,
    may: /^collector\/(?!exporters\/|store\/|query\/)|^tricord\/otlp$|^node:|^(?!(collector|src|test|scripts|bench|examples|tricord)\b)[@a-z]/,
  },
  { from: /^collector\/web\/page\//, may: /^collector\/web\/page\/|^preact|^uplot/ },
  {
    from: /^collector\//,
    may: /^collector\/|^tricord\/otlp$|^node:|^(?!(collector|src|test|scripts|bench|examples|tricord)\b)[@a-z]/,
  },
];

const offences = (file: { path: string; text: string }): string[] => {
  const row = table.find(({ from }) => from.test(file.path));
  if (row === undefined) return [`${file.path} has no row in the import table`];
  return importsOf(file)
    .filter(target => !row.may.test(target))
    .map(target => `${file.path} imports ${target}`);
};

/** Cycles among the given files, each as the path that closes it. */
function cycles(files: readonly { path: string; text: string }[]): string[] {
  const graph = new Map(files.map(file => [file.path, importsOf(file)]));
  const settled = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (settled.has(path) || trail.includes(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    settled.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return found;
}

/** Files that no entry point reaches. */
function dead(files: readonly { path: string; text: string }[], entries: readonly string[]): string[] {
  const graph = new Map(files.map(file => [file.path, importsOf(file)]));
  const alive = new Set<string>();
  const reach = (path: string): void => {
    const target = graph.has(path) ? path : path.replace(/\.js$/, '.ts');
    if (alive.has(target) || !graph.has(target)) return;
    alive.add(target);
    for (const next of graph.get(target)!) reach(next);
  };
  for (const entry of entries) reach(entry);
  return files.map(file => file.path).filter(path => !alive.has(path) && !path.endsWith('.d.ts'));
}

const entries = [
  'src/index.ts',
  'src/configuration-file.ts',
  'src/profile/slow-profiler.ts',
  'src/metrics-page.ts',
  'src/register.ts',
  'src/sdk.ts',
  'src/instrument/pino.ts',
  'src/instrument/prom-client.ts',
  'src/transport/otlp/index.ts',
  'src/doctor/main.ts',
  'collector/main.ts',
  'collector/web/page/main.tsx',
];

describe('the source tree', () => {
  it('keeps every file under its limit of lines', () => {
    const long = everything
      .filter(file => file.lines > FILE_LINES_MAX)
      .map(file => `${file.path}: ${file.lines}`);
    assert.deepEqual(long, []);
  });

  it('keeps every function under its limit of lines', () => {
    const measurable = (file: SourceFile): boolean =>
      file.path.endsWith('.ts') && !file.path.startsWith('test/');
    const long = everything
      .filter(measurable)
      .flatMap(file => functionsOf(file).map(found => ({ ...found, path: file.path })))
      .filter(found => found.lines > FUNCTION_LINES_MAX)
      .map(found => `${found.path}:${found.line} ${found.name}: ${found.lines}`);
    assert.deepEqual(long, []);
  });

  it('says in the first line of every file what its job is', () => {
    const silent = everything
      .filter(file => !/^(#!.*\n)?(\/\/ |\/\*\* ).{15,}/.test(file.text))
      .map(file => file.path);
    assert.deepEqual(silent, []);
  });

  it('imports only along the table of the architecture', () => {
    assert.deepEqual(product.flatMap(offences), []);
  });

  it('has no import cycle', () => {
    assert.deepEqual(cycles(product), []);
  });

  it('has no dead file', () => {
    assert.deepEqual(dead(product, entries), []);
  });

  it('names files in kebab-case and for what they hold', () => {
    const named = (path: string): boolean =>
      path.split('/').every(part => /^[a-z0-9]+([-.][a-z0-9]+)*$/.test(part));
    const vague = /(^|\/)(utils?|helpers?|common|misc)(\/|\.)/;
    assert.deepEqual(
      everything.map(file => file.path).filter(path => !named(path) || vague.test(path)),
      [],
    );
  });
});

describe('these guards', () => {
  it('see a forbidden import, in every way of writing it', () => {
    const forms = [
      "import { Ring } from '../transport/ring.ts';",
      "import type {\n  Ring,\n} from '../transport/ring.ts';",
      "export * from '../transport/ring.ts';",
      "import '../transport/ring.ts';",
      "const ring = await import('../transport/ring.ts');",
    ];
    for (const text of forms) {
      assert.deepEqual(offences({ path: 'src/trace/span.ts', text }), [
        'src/trace/span.ts imports src/transport/ring.ts',
      ]);
    }
  });

  it('tell the collector’s own files from packages', () => {
    const forbidden: readonly (readonly [from: string, to: string, target: string])[] = [
      [
        'collector/receivers/otlp-http.ts',
        '../exporters/debug-exporter.ts',
        'collector/exporters/debug-exporter.ts',
      ],
      ['collector/query/loki.ts', '../queue/queue.ts', 'collector/queue/queue.ts'],
      ['collector/store/duck-store.ts', '../query/loki.ts', 'collector/query/loki.ts'],
      ['collector/exporters/store/store-exporter.ts', '../../web/server.ts', 'collector/web/server.ts'],
      ['collector/pipeline.ts', '../src/index.ts', 'src/index.ts'],
      ['collector/pipeline.ts', 'tricord', 'tricord'],
    ];
    for (const [path, specifier, target] of forbidden) {
      assert.deepEqual(offences({ path, text: `import { x } from '${specifier}';` }), [
        `${path} imports ${target}`,
      ]);
    }
    assert.deepEqual(offences({ path: 'collector/pipeline.ts', text: "import { z } from 'zod';" }), []);
  });

  it('see a cycle and a dead file', () => {
    const a = { path: 'src/a.ts', text: "import './b.ts';" };
    const b = { path: 'src/b.ts', text: "import './a.ts';" };
    assert.deepEqual(cycles([a, b]), ['src/a.ts → src/b.ts → src/a.ts']);
    assert.deepEqual(dead([a, { path: 'src/c.ts', text: '' }], ['src/a.ts']), ['src/c.ts']);
  });

  it('measure functions of every kind', () => {
    const text = [
      'const a = () => {',
      ...Array(69).fill(''),
      '};',
      'class B { long() {',
      ...Array(69).fill(''),
      '} }',
    ].join('\n');
    assert.deepEqual(
      functionsOf({ path: 'x.ts', text }).map(found => found.lines),
      [71, 71],
    );
  });
});
