// `/metrics` of an application: what Prometheus reads of it, and that the application does not notice.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { type DecodedResource, decodeMetrics, Signal } from 'tricord/otlp';
import { attributesOf } from '../decoded-records.ts';
import { prometheus } from '../servers/prometheus.ts';
import { freePort, missing, start } from '../servers/server-process.ts';
import { TestCollector } from '../transport/test-collector.ts';
import { type Run, registerFile, run } from './application.ts';
import { arrivedAt } from './arrived.ts';

const folder = mkdtempSync(join(tmpdir(), 'tricord-page-'));
after(() => rmSync(folder, { recursive: true }));

let collector: TestCollector;
let port: number;
beforeEach(async () => {
  collector = await TestCollector.start();
  port = await freePort();
});
afterEach(() => collector.stop());

const prelude = `
  const repository = require('node:module').createRequire(${JSON.stringify(registerFile)});
  const { metrics, trace } = repository('@opentelemetry/api');
  const meter = metrics.getMeter('test');
  const read = async (path = '/metrics', init = undefined) => {
    const response = await fetch('http://127.0.0.1:' + process.env.PORT + path, init);
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  };
  const openMetrics = { headers: { accept: 'application/openmetrics-text' } };
  const numbers = (page, name) => page.text.split('\\n').filter(line => line.startsWith(name));
  const print = value => console.log(JSON.stringify(value));
`;

let files = 0;
function application(script: string, env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const file = join(folder, `${files++}.cjs`);
  writeFileSync(file, `${prelude}(async () => {${script}})();`);
  return run(file, {
    env: {
      PORT: String(port),
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      TRICORD_PROMETHEUS_ENDPOINT: `127.0.0.1:${port}`,
      ...env,
    },
  });
}

const printed = ({ stdout }: Run): unknown[] =>
  stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as unknown);

const quiet = ({ code, stderr }: Run): void => assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });

describe('the metrics page of an application', () => {
  it('has what is exported at the same time, and is itself in none of it', async () => {
    const run = await application(
      `meter.createCounter('counted').add(3, { a: 1 });
       const page = await read('/metrics', openMetrics);
       print([page.status, page.type]);
       print(numbers(page, 'counted_total'));
       print(numbers(page, 'target_info')[0].includes('service_name="application"'));
       print(numbers(await read(), 'http_server'));`,
    );
    quiet(run);
    assert.deepEqual(printed(run), [
      [200, 'application/openmetrics-text; version=1.0.0; charset=utf-8'],
      ['counted_total{a="1",otel_scope_name="test"} 3'],
      true,
      [],
    ]);
    const { metrics, spans } = arrivedAt(collector);
    assert.ok(metrics.has('counted'));
    assert.ok(![...metrics.keys()].some(name => name.startsWith('http.server')));
    assert.deepEqual(
      spans.filter(({ kind }) => kind === 2).map(({ name }) => name),
      [],
    );
  });

  it('has the metrics of prom-client beside them, whose exemplars are still exported', async () => {
    const run = await application(
      `const prom = repository('prom-client');
       prom.register.setContentType(prom.Registry.OPENMETRICS_CONTENT_TYPE);
       const counter = new prom.Counter({ name: 'legacy_total', help: 'h', labelNames: ['x'], enableExemplars: true });
       const labels = { trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16) };
       counter.inc({ labels: { x: '1' }, value: 2, exemplarLabels: labels });
       const own = new prom.Registry();
       new prom.Gauge({ name: 'own', help: 'h', registers: [own] }).set(5);
       const page = await read('/metrics', openMetrics);
       print([numbers(page, 'legacy_total')[0].split(' # ')[0], numbers(page, 'own')]);
       print(numbers(page, 'legacy_total')[0].includes('trace_id="' + labels.trace_id));`,
    );
    quiet(run);
    assert.deepEqual(printed(run), [
      [
        'legacy_total{x="1",otel_scope_name="prom-client"} 2',
        ['own{otel_scope_name="prom-client",otel_scope_prom_client_registry="1"} 5'],
      ],
      true,
    ]);
    const { data } = arrivedAt(collector).metrics.get('legacy_total')!;
    assert.ok(data?.type === 'sum' && data.points[0]?.exemplars.length === 1);
  });

  it('shows what worker threads measure as that of the process', async () => {
    const run = await application(
      `const counter = meter.createCounter('counted');
       counter.add(1);
       const script = ${JSON.stringify(`${prelude} meter.createCounter('counted').add(10);`)};
       const threads = [1, 2, 3].map(() => new (require('node:worker_threads').Worker)(script, { eval: true }));
       await Promise.all(threads.map(thread => require('node:events').once(thread, 'exit')));
       print(numbers(await read(), 'counted_total'));`,
    );
    quiet(run);
    assert.deepEqual(printed(run), [['counted_total{otel_scope_name="test"} 31']]);
  });

  it('shows the exemplars of worker threads, where nothing is exported either', async () => {
    const inThread = `${prelude} trace.getTracer('t').startActiveSpan('span', span => {
      meter.createCounter('counted').add(10);
      span.end();
    });`;
    const run = await application(
      `const thread = new (require('node:worker_threads').Worker)(${JSON.stringify(inThread)}, { eval: true });
       await require('node:events').once(thread, 'exit');
       print(numbers(await read('/metrics', openMetrics), 'counted_total')[0].split('{trace_id')[0]);`,
      {
        OTEL_TRACES_SAMPLER: 'always_on',
        TRICORD_PROMETHEUS_ENDPOINT: '',
        OTEL_METRICS_EXPORTER: 'prometheus',
        OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
      },
    );
    quiet(run);
    assert.deepEqual(printed(run), ['counted_total{otel_scope_name="test"} 10 # ']);
    assert.equal(arrivedAt(collector).metrics.size, 0);
  });

  it('is all there is of metrics with OTEL_METRICS_EXPORTER=prometheus', async () => {
    const env = {
      TRICORD_PROMETHEUS_ENDPOINT: '',
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
      OTEL_METRIC_EXPORT_INTERVAL: '10',
    };
    const run = await application(
      `meter.createCounter('counted').add(3);
       trace.getTracer('t').startSpan('span').end();
       print(numbers(await read(), 'counted_total'));`,
      env,
    );
    quiet(run);
    assert.deepEqual(printed(run), [['counted_total{otel_scope_name="test"} 3']]);
    const { metrics, spans } = arrivedAt(collector);
    assert.equal(metrics.size, 0);
    assert.ok(spans.some(({ name }) => name === 'span'));
  });

  it('is beside the export with OTEL_METRICS_EXPORTER=prometheus,otlp', async () => {
    const run = await application(
      `meter.createCounter('counted').add(3); print(numbers(await read(), 'counted_total').length);`,
      {
        TRICORD_PROMETHEUS_ENDPOINT: '',
        OTEL_METRICS_EXPORTER: 'prometheus, otlp',
        OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
      },
    );
    quiet(run);
    assert.deepEqual(printed(run), [1]);
    assert.ok(arrivedAt(collector).metrics.has('counted'));
  });

  it('answers nothing but reading of one path', async () => {
    const run = await application(
      `for (const [path, method] of [['/', 'GET'], ['/metrics/x', 'GET'], ['/metrics?x=1', 'HEAD'], ['/metrics', 'POST']]) {
         const { status, text } = await read(path, { method });
         print([status, text]);
       }`,
    );
    quiet(run);
    assert.deepEqual(printed(run), [
      [404, ''],
      [404, ''],
      [200, ''],
      [405, ''],
    ]);
  });

  it('is not there when the port is taken, which one line says and the application does not notice', async () => {
    const other = createServer().listen(port, '127.0.0.1');
    const { code, stderr, stdout } = await application(`setTimeout(() => print('done'), 100);`);
    other.close();
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '"done"\n' });
    assert.match(stderr, /^tricord: no metrics page on 127\.0\.0\.1:\d+: listen EADDRINUSE: [^\n]*\n$/);
  });

  it('keeps no process alive, not even with a reader whose connection is open', async () => {
    const begun = performance.now();
    const run = await application(
      `const socket = require('node:net').connect(process.env.PORT, '127.0.0.1');
       socket.write('GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
       socket.once('data', () => { print('read'); socket.unref(); });`,
    );
    quiet(run);
    assert.deepEqual(printed(run), ['read']);
    assert.ok(performance.now() - begun < 10_000);
  });

  it('is gone after shutdown', async () => {
    const run = await application(
      `const { start } = await import(${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)});
       await read();
       await start().shutdown();
       print(await read().catch(error => error.cause.code));`,
    );
    quiet(run);
    assert.deepEqual(printed(run), ['ECONNREFUSED']);
  });
});

describe('the metrics page of a cluster', () => {
  const clustered = (inPrimary: string): string =>
    `const cluster = require('node:cluster');
     const counter = meter.createCounter('counted');
     const histogram = meter.createHistogram('recorded', { advice: { explicitBucketBoundaries: [1] } });
     const gauge = meter.createGauge('level');
     const share = meter.createUpDownCounter('open');
     if (cluster.isWorker) {
       const { id } = cluster.worker;
       counter.add(10 ** id); histogram.record(id); gauge.record(id); share.add(1);
       process.send('measured');
       return;
     }
     counter.add(1); gauge.record(7); share.add(1);
     const { once } = require('node:events');
     const workers = [1, 2].map(() => cluster.fork());
     await Promise.all(workers.map(worker => once(worker, 'message')));
     const own = page => page.text.split('\\n').filter(line => /^(counted|recorded|level|open)/.test(line));
     /** Until every worker is on it: that of a worker comes when its socket is open. */
     const whole = async sum => {
       for (;;) {
         const page = await read();
         if (own(page)[0]?.endsWith(' ' + sum)) return page;
         await new Promise(resolve => setTimeout(resolve, 20));
       }
     };
     ${inPrimary}
     for (const worker of Object.values(cluster.workers)) worker.disconnect();`;
  const bare = (lines: unknown): string[] =>
    (lines as string[]).map(line =>
      line.replace('{otel_scope_name="test"}', '').replace('otel_scope_name="test",', ''),
    );

  it('adds up what all processes have measured, and tells apart what cannot be added up', async () => {
    const run = await application(clustered('print(own(await whole(111)));'));
    quiet(run);
    const [lines] = printed(run);
    assert.deepEqual(bare(lines).sort(), [
      'counted_total 111',
      'level 7',
      'level{cluster_worker="1"} 1',
      'level{cluster_worker="2"} 2',
      'open 3',
      'recorded_bucket{le="+Inf"} 2',
      'recorded_bucket{le="1"} 1',
      'recorded_count 2',
      'recorded_sum 3',
    ]);
  });

  it('keeps what a worker has counted when it is gone, and not what it was at', async () => {
    const run = await application(
      clustered(
        `await whole(111);
         workers[0].process.kill('SIGKILL');
         await once(workers[0], 'exit');
         let lines;
         do lines = own(await read()); while (lines.some(line => line.includes('cluster_worker="1"')));
         print(lines);`,
      ),
    );
    quiet(run);
    const [lines] = printed(run);
    assert.deepEqual(bare(lines).sort(), [
      'counted_total 111',
      'level 7',
      'level{cluster_worker="2"} 2',
      'open 2',
      'recorded_bucket{le="+Inf"} 2',
      'recorded_bucket{le="1"} 1',
      'recorded_count 2',
      'recorded_sum 3',
    ]);
  });

  it('waits no longer than a second for a worker that is busy', async () => {
    const run = await application(
      clustered(
        `await whole(111);
         process.kill(workers[0].process.pid, 'SIGSTOP');
         const begun = Date.now();
         const page = await read();
         process.kill(workers[0].process.pid, 'SIGCONT');
         print([Date.now() - begun < 5000, own(page)[0].endsWith(' 111')]);`,
      ),
    );
    quiet(run);
    assert.deepEqual(printed(run), [[true, true]]);
  });

  it('leaves no file behind', async () => {
    const temporary = mkdtempSync(join(folder, 'temporary-'));
    const run = await application(clustered('await whole(111);'), { TMPDIR: temporary });
    quiet(run);
    assert.deepEqual(
      readdirSync(temporary).filter(name => name.startsWith('tricord')),
      [],
    );
  });

  it('is of instances with IDs of their own, where one is configured for all', async () => {
    const run = await application(clustered('await whole(111);'), {
      OTEL_RESOURCE_ATTRIBUTES: 'service.instance.id=pod-7',
    });
    quiet(run);
    const ids = new Set<unknown>();
    for (const { signal, payload } of collector.taken)
      if (signal === Signal.metrics)
        decodeMetrics(payload, {
          resource: (resource: DecodedResource) =>
            void ids.add(attributesOf(resource)['service.instance.id']),
          metric() {},
        });
    assert.deepEqual([...ids].sort(), ['pod-7', 'pod-7/worker-1', 'pod-7/worker-2']);
  });
});

describe('Prometheus', { skip: missing(prometheus('')) }, () => {
  it('reads counters, exemplars and native histograms of the page', async () => {
    const server = await start(prometheus(`127.0.0.1:${port}`));
    const query = async (path: string): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${server.port}/api/v1/${path}`);
      return ((await response.json()) as { data: unknown }).data;
    };
    const seen = join(folder, 'seen');
    const run = application(
      `trace.getTracer('t').startActiveSpan('span', span => {
         meter.createCounter('counted', { unit: 'By' }).add(3, { a: 'x"y' });
         const histogram = meter.createHistogram('wait', { unit: 's' });
         for (let i = 1; i <= 100; i++) histogram.record(i / 10);
         span.end();
       });
       const timer = setInterval(() => require('node:fs').existsSync(${JSON.stringify(seen)}) && clearInterval(timer), 50);`,
      {
        OTEL_TRACES_SAMPLER: 'always_on',
        OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION: 'base2_exponential_bucket_histogram',
      },
    );
    try {
      const value = async (expression: string): Promise<number> => {
        const { result } = (await query(`query?query=${encodeURIComponent(expression)}`)) as {
          result: { value: [number, string] }[];
        };
        return Number(result[0]?.value[1]);
      };
      const counted = 'counted_bytes_total{a="x\\"y",otel_scope_name="test"}';
      while ((await value(counted)) !== 3) await new Promise(resolve => setTimeout(resolve, 50));
      assert.equal(await value('histogram_count(wait_seconds)'), 100);
      assert.ok(Math.abs((await value('histogram_sum(wait_seconds)')) - 505) < 1e-6);
      const median = await value('histogram_quantile(0.5, wait_seconds)');
      assert.ok(Math.abs(median - 5) < 0.1, `median ${median}`);
      assert.equal(await value('target_info{service_name="application"}'), 1);
      const now = Date.now() / 1000;
      const exemplars = (await query(
        `query_exemplars?query=counted_bytes_total&start=${now - 60}&end=${now + 60}`,
      )) as { exemplars: { labels: { trace_id: string } }[] }[];
      assert.match(exemplars[0]!.exemplars[0]!.labels.trace_id, /^[0-9a-f]{32}$/);
    } finally {
      writeFileSync(seen, '');
      quiet(await run);
      await server.stop();
    }
  });
});
