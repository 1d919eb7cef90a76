// LogQL: which lines and numbers a query gives, through the HTTP routes, and which error names what.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logfmtLabels } from '../../../collector/query/logql/fields.ts';
import { lokiRoutes } from '../../../collector/query/loki.ts';
import type { LogEntry, LogStore, Matcher, Store } from '../../../collector/store/store.ts';
import type { WebRequest } from '../../../collector/web/router.ts';
import type { Json } from '../../json.ts';

const SECOND = 1_000_000_000n;

function entry(
  second: number,
  stream: Record<string, string>,
  line: string,
  metadata: Record<string, string> = {},
): LogEntry {
  return {
    time: BigInt(second) * SECOND,
    line,
    stream: new Map(Object.entries(stream)),
    metadata: new Map(Object.entries(metadata)),
  };
}

const shop = { service_name: 'shop' };
const entries: LogEntry[] = [
  entry(
    10,
    shop,
    '{"msg":"order placed","level":"custom","total":36,"took":"120ms","size":"2KB","user":{"id":"u1"}}',
    {
      trace_id: 'aa',
      level: 'info',
    },
  ),
  entry(20, shop, '{"msg":"order placed","total":900,"took":"2s","size":"10MB","user":{"id":"u2"}}', {
    trace_id: 'bb',
    level: 'info',
  }),
  entry(30, shop, '{"msg":"order refused","total":1,"took":"1ms","size":"5"}', {
    trace_id: 'cc',
    level: 'warn',
  }),
  entry(40, shop, 'plain text', { level: 'error' }),
  entry(50, { service_name: 'stock' }, 'level=info msg="stock looked up" sku=compass', { trace_id: 'aa' }),
];

function holds({ name, op, value }: Matcher, labels: ReadonlyMap<string, string>): boolean {
  const actual = labels.get(name) ?? '';
  if (op === '=' || op === '!=') return (actual === value) === (op === '=');
  return new RegExp(`^(?:${value})$`).test(actual) === (op === '=~');
}

const selections: {
  lineContains?: readonly string[] | undefined;
  metadata?: ReadonlyMap<string, string> | undefined;
}[] = [];

const logs: LogStore = {
  select: async (query, { start, end }) => {
    selections.push(query);
    const found = entries.filter(({ time, stream }) => {
      return time >= start && time < end && query.matchers.every(matcher => holds(matcher, stream));
    });
    return (query.direction === 'forward' ? found : found.toReversed()).slice(0, query.limit);
  },
  streams: async matches => {
    const all = [shop, { service_name: 'stock' }].map(labels => new Map(Object.entries(labels)));
    return all.filter(
      labels => matches.length === 0 || matches.some(list => list.every(matcher => holds(matcher, labels))),
    );
  },
};

const routes = lokiRoutes({ logs } as unknown as Store);

async function call(
  path: string,
  query: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  const [found, params] = match(path);
  const signal = new AbortController().signal;
  const request = {
    method: 'GET',
    path,
    params,
    query: new URLSearchParams(query),
    headers,
    body: new Uint8Array(),
    signal,
  };
  const { status, body } = await found.handler(request as WebRequest);
  return { status, body: String(body) };
}

function match(path: string): [(typeof routes)[number], Record<string, string>] {
  for (const candidate of routes) {
    const pattern = new RegExp(`^${candidate.path.replace(':name', '(?<name>[^/]+)')}$`);
    const result = pattern.exec(path);
    if (result !== null) return [candidate, { ...result.groups }];
  }
  throw new Error(`no route for ${path}`);
}
async function ask(
  query: string,
  more: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Json> {
  const { status, body } = await call(
    '/loki/api/v1/query_range',
    { query, start: '0', end: '100', ...more },
    headers,
  );
  assert.equal(status, 200, body);
  return JSON.parse(body).data;
}

async function lines(query: string, more: Record<string, string> = {}): Promise<string[]> {
  const { result } = await ask(query, { direction: 'forward', ...more });
  return result
    .flatMap((stream: { values: [string, string][] }) => stream.values)
    .sort()
    .map(([, line]: [string, string]) => line);
}

async function times(query: string): Promise<number[]> {
  const { result } = await ask(query, { direction: 'forward' });
  const values = result.flatMap((stream: { values: [string, string][] }) => stream.values) as [
    string,
    string,
  ][];
  return values.map(([time]) => Number(BigInt(time) / SECOND)).sort((a, b) => a - b);
}

async function number(query: string, at = 60): Promise<Record<string, number>> {
  const { status, body } = await call('/loki/api/v1/query', { query, time: String(at) });
  assert.equal(status, 200, body);
  const { result } = JSON.parse(body).data as {
    result: { metric: Record<string, string>; value: [number, string] }[];
  };
  return Object.fromEntries(result.map(({ metric, value }) => [JSON.stringify(metric), Number(value[1])]));
}

describe('a log query', () => {
  it('selects streams and filters lines', async () => {
    assert.deepEqual(await times('{service_name="shop"}'), [10, 20, 30, 40]);
    assert.deepEqual(await times('{service_name=~"s.+"} |= "stock"'), [50]);
    assert.deepEqual(await times('{service_name="shop"} |= "order" != "refused"'), [10, 20]);
    assert.deepEqual(await times('{service_name="shop"} |~ `ref|pla[ic]n`'), [30, 40]);
    assert.deepEqual(await times('{service_name="shop"} !~ "order.*"'), [40]);
    assert.deepEqual(await times('{service_name="shop"} |= "refused" or "plain"'), [30, 40]);
  });

  it('filters by labels of every origin and kind', async () => {
    assert.deepEqual(await times('{service_name="shop"} | level="warn"'), [30]);
    assert.deepEqual(await times('{service_name="shop"} | json | total > 30'), [10, 20]);
    assert.deepEqual(await times('{service_name="shop"} | json | took >= 120ms'), [10, 20]);
    assert.deepEqual(await times('{service_name="shop"} | json | size > 1KB and size < 1MB'), [10]);
    assert.deepEqual(
      await times('{service_name="shop"} | json | user_id="u2" or msg="order refused"'),
      [20, 30],
    );
    assert.deepEqual(await times('{service_name="shop"} | json id="user.id" | id=~"u[13]"'), [10]);
    assert.deepEqual(await times('{service_name="stock"} | logfmt | msg="stock looked up" | sku!="x"'), [50]);
    assert.deepEqual(await times('{service_name="shop"} | json | __error__="JSONParserErr"'), [40]);
  });

  it('keeps a label that is there when the line has one of the same name', async () => {
    assert.deepEqual(await times('{service_name="shop"} | json | level="info"'), [10, 20]);
    assert.deepEqual(await times('{service_name="shop"} | json | level_extracted="custom"'), [10]);
  });

  it('rewrites lines and labels', async () => {
    assert.deepEqual(
      await lines('{service_name="stock"} | logfmt | line_format "{{.sku | upper}}: {{.msg}}"'),
      ['COMPASS: stock looked up'],
    );
    const byTrace =
      '{service_name=~".+"} | label_format found=`{{ contains "refused" __line__ }}` | found="true" or trace_id="aa"';
    assert.deepEqual(await times(byTrace), [10, 30, 50]);
    const { result } = await ask('{service_name="stock"} | logfmt | keep sku');
    assert.deepEqual(result[0].stream, { sku: 'compass' });
  });

  it('returns the newest lines first, at most the limit of them', async () => {
    const { result } = await ask('{service_name="shop"}', { limit: '1' });
    assert.deepEqual(
      result.flatMap((stream: { values: [string, string][] }) => stream.values.map(([, line]) => line)),
      ['plain text'],
    );
  });

  it('keeps labels of different origin apart when asked to', async () => {
    const flags = { 'x-loki-response-encoding-flags': 'categorize-labels' };
    const { encodingFlags, result } = await ask('{service_name="stock"} | logfmt', {}, flags);
    assert.deepEqual(encodingFlags, ['categorize-labels']);
    assert.deepEqual(result[0].stream, { service_name: 'stock' });
    assert.deepEqual(result[0].values[0][2], {
      structuredMetadata: { trace_id: 'aa' },
      parsed: { level: 'info', msg: 'stock looked up', sku: 'compass' },
    });
  });

  it('lets the store narrow what the stages cannot change any more', async () => {
    await ask('{service_name="shop"} |= "order" | trace_id="aa" | json |= "later"');
    const last = selections.at(-1)!;
    assert.deepEqual(last.lineContains, ['order']);
    assert.deepEqual([...last.metadata!], [['trace_id', 'aa']]);
  });
});

describe('a metric query', () => {
  it('counts lines and bytes', async () => {
    assert.deepEqual(await number('sum(count_over_time({service_name="shop"}[1m]))'), { '{}': 4 });
    assert.deepEqual(await number('sum(rate({service_name="shop"} |= "order" [1m]))'), { '{}': 3 / 60 });
    assert.deepEqual(await number('sum(bytes_over_time({service_name="shop"} |= "plain" [1m]))'), {
      '{}': 10,
    });
    assert.deepEqual(
      await number('sum by (level) (count_over_time({service_name="shop"} | drop __error__ [1m]))'),
      {
        '{"level":"error"}': 1,
        '{"level":"info"}': 2,
        '{"level":"warn"}': 1,
      },
    );
  });

  it('measures unwrapped labels', async () => {
    assert.deepEqual(
      await number('max_over_time({service_name="shop"} | json | unwrap total [1m]) by (service_name)'),
      { '{"service_name":"shop"}': 900 },
    );
    assert.deepEqual(
      await number('sum(sum_over_time({service_name="shop"} | json | unwrap duration(took) [1m]))'),
      { '{}': 2.121 },
    );
  });

  it('computes with the precedence of operators', async () => {
    assert.deepEqual(await number('vector(1)+vector(1)', 4), { '{}': 2 });
    assert.deepEqual(await number('vector(10) - 2 - 3 * 2 / 3'), { '{}': 6 });
    assert.deepEqual(await number('(vector(10) - 2) * 2 > 15'), { '{}': 16 });
  });

  it('is evaluated at every step of a range', async () => {
    const { resultType, result } = await ask('sum(count_over_time({service_name="shop"}[20s]))', {
      start: '20',
      end: '60',
      step: '20',
    });
    assert.equal(resultType, 'matrix');
    assert.deepEqual(result, [
      {
        metric: {},
        values: [
          [20, '2'],
          [40, '2'],
        ],
      },
    ]);
  });
});

describe('logfmt', () => {
  const pairs = (line: string): [string, string][] => {
    const found: [string, string][] = [];
    logfmtLabels(line, (name, value) => found.push([name, value]));
    return found;
  };

  it('has plain, quoted, empty and unclosed values', () => {
    assert.deepEqual(pairs('bare a.b=1 c="x \\"y\\" \\\\" d= =e f==g h="unclosed i=2 '), [
      ['a_b', '1'],
      ['c', 'x "y" \\'],
      ['d', ''],
      ['f', '=g'],
      ['h', '"unclosed'],
      ['i', '2'],
    ]);
  });

  it('takes long lines without a pair, or without an end, in one pass', () => {
    assert.deepEqual(pairs('q'.repeat(1_000_000)), []);
    assert.equal(pairs(`a="${'\\"'.repeat(500_000)}`).length, 1);
  });
});

describe('a range of lines', () => {
  const seconds = async (start: string, end: string): Promise<number[]> => {
    const data = await ask('{service_name=~".+"}', { start, end, direction: 'forward' });
    const times: string[] = data.result.flatMap(({ values }: Json) => values.map(([time]: string[]) => time));
    return times.map(time => Number(BigInt(time) / SECOND)).sort((a, b) => a - b);
  };

  it('has its start and not its end, to the nanosecond', async () => {
    assert.deepEqual(await seconds('20000000000', '40000000000'), [20, 30]);
    assert.deepEqual(await seconds('20000000001', '40000000001'), [30, 40]);
  });

  it('takes seconds, fractions and dates', async () => {
    assert.deepEqual(await seconds('20', '40'), [20, 30]);
    assert.deepEqual(await seconds('19.5', '30.5'), [20, 30]);
    assert.deepEqual(
      await seconds('1970-01-01T00:00:20.000000001Z', '1970-01-01T01:00:40.000000001+01:00'),
      [30, 40],
    );
  });
});

describe('labels, values and series', () => {
  it('come from the streams', async () => {
    const get = async (path: string, query: Record<string, string> = {}): Promise<unknown> =>
      JSON.parse((await call(path, query)).body).data;
    assert.deepEqual(await get('/loki/api/v1/labels'), ['service_name']);
    assert.deepEqual(await get('/loki/api/v1/label/service_name/values'), ['shop', 'stock']);
    assert.deepEqual(await get('/loki/api/v1/series', { 'match[]': '{service_name="shop"}' }), [
      { service_name: 'shop' },
    ]);
  });
});

describe('a wrong query', () => {
  it('gets 400 and an error that names the place or the thing', async () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      ['{service_name="shop"', /line 1, col 21: unexpected end of input/],
      ['{}', /line 1, col 2: unexpected "}"/],
      ['{a=~".*"}', /at least one matcher/],
      ['{a="b"} | pattern "<x>"', /parser "pattern" is not supported/],
      ['{a="b"} | decolorize', /decolorize" is not supported/],
      ['{a="b"} |~ "("', /invalid regular expression "\("/],
      ['absent_over_time({a="b"}[1m])', /absent_over_time is not supported/],
      ['sum_over_time({a="b"}[1m])', /needs an unwrap/],
      ['{a="b"} | line_format "{{.x | nosuch}}"', /"nosuch" is not known/],
    ];
    for (const [query, message] of wrong) {
      const { status, body } = await call('/loki/api/v1/query_range', { query });
      assert.equal(status, 400, query);
      assert.match(body, message);
    }
  });
});
