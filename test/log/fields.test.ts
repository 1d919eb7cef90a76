// Which fields of records are sent: the same as a simple reading of the paths says, for lines and for other records.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { processClock } from '../../src/context/clock.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { LoggerProvider } from '../../src/log/logger-provider.ts';
import { compileFields } from '../../src/transport/otlp/field-rules.ts';
import { attributesOf, logRecordsIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

const root = ObservabilityContext.root;

function setUp(items: readonly string[]) {
  const fields = compileFields(items);
  const sink = new MemorySink(processClock.anchorUnixNanos, 256 * 1024, fields);
  return { sink, logger: new LoggerProvider({ sink, fields }).getLogger('x') };
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** The attributes of an object's members, logged in both ways. */
function sent(items: readonly string[], members: object): { line: unknown; record: unknown } {
  const { sink, logger } = setUp(items);
  logger.emitJsonLine(JSON.stringify(members), root);
  logger.emit({ attributes: members as Record<string, string>, context: root });
  const [line, record] = logRecordsIn(sink);
  return { line: plain(attributesOf(line!)), record: plain(attributesOf(record!)) };
}

const nothing = Symbol('nothing');
type Item = { readonly names: readonly string[]; readonly kind: 'drop' | 'redact' | 'keep' };

function parsed(item: string): Item {
  if (item.startsWith('-')) return { names: item.slice(1).split('.'), kind: 'drop' };
  if (item.endsWith('=***')) return { names: item.slice(0, -4).split('.'), kind: 'redact' };
  return { names: item.split('.'), kind: 'keep' };
}

/** What is sent of the value at a path, from a look at all items for each place. */
function reference(items: readonly Item[], value: unknown, path: readonly string[]): unknown {
  const covers = (kind: Item['kind'], depth: number): boolean =>
    items.some(
      item =>
        item.kind === kind &&
        item.names.length <= depth &&
        item.names.every((name, i) => name === '*' || name === path[i]),
    );
  for (let depth = 1; depth <= path.length; depth++) {
    if (covers('drop', depth)) return nothing;
    if (covers('redact', depth)) return '***';
  }
  const listed = covers('keep', path.length) || !items.some(({ kind }) => kind === 'keep');
  if (typeof value !== 'object' || value === null) return listed ? value : nothing;
  const parts = Object.entries(value)
    .map(([name, part]) => [name, reference(items, part, [...path, ...name.split('.')])] as const)
    .filter(([, part]) => part !== nothing);
  if (parts.length === 0 && !listed) return nothing;
  return Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}

describe('the fields of a record', () => {
  it('are left out, replaced or listed, by name, at any depth', () => {
    const members = {
      password: 'p',
      req: { headers: { authorization: 'a', host: 'h' }, list: [{ token: 't', n: 1 }] },
      user: { id: 7, name: 'n' },
      'user.email': 'e',
    };
    const both = (items: readonly string[], expected: object): void => {
      assert.deepEqual(sent(items, members), { line: expected, record: expected });
    };
    both(['-password', '-req', '-user'], {});
    both(['-req', 'user.id'], { user: { id: 7 } });
    both(['-password', '-user', '-req.headers.authorization', '-req.list.*.token'], {
      req: { headers: { host: 'h' }, list: [{ n: 1 }] },
    });
    both(['password=***', '-req', 'user.*=***'], {
      password: '***',
      user: { id: '***', name: '***' },
      'user.email': '***',
    });
    both(['user', '-user.name', '-user.email'], { user: { id: 7 } });
  });

  it('are told by their whole names, however they are written and however short values are cut', () => {
    const fields = compileFields(['-password']);
    const sink = new MemorySink(0n, 4096, fields);
    const logger = new LoggerProvider({ sink, fields, limits: { valueLength: 4 } }).getLogger('x');
    logger.emitJsonLine('{"pass\\u0077ord":"canary","n":1}', root);
    assert.deepEqual({ ...attributesOf(logRecordsIn(sink)[0]!) }, { n: 1 });
  });

  it('do not touch level, time, message and labels', () => {
    const { sink, logger } = setUp(['user.id']);
    const context = root.withLabels({ tenant: 'acme' });
    logger.emitJsonLine('{"level":40,"time":1700000000000,"msg":"m","x":1}', context);
    logger.emit({ body: 'm', severityNumber: 13, attributes: { x: 1 }, context });
    for (const record of logRecordsIn(sink)) {
      assert.deepEqual([record.body, record.severityNumber], ['m', 13]);
      assert.deepEqual({ ...attributesOf(record) }, { tenant: 'acme' });
    }
  });

  it('that are said of err hold for the exception that it becomes', () => {
    const { sink, logger } = setUp(['-err.message', 'err.stack=***', '-err.config.token']);
    const err = { type: 'E', message: 'canary', stack: 'canary', config: { token: 'canary', url: 'u' } };
    logger.emitJsonLine(JSON.stringify({ err }), root);
    logger.emit({ exception: { name: 'E', message: 'canary', stack: 'canary' }, context: root });
    const [line, record] = logRecordsIn(sink).map(each => plain(attributesOf(each)));
    const exception = { 'exception.type': 'E', 'exception.stacktrace': '***' };
    assert.deepEqual(line, { ...exception, err: { config: { url: 'u' } } });
    assert.deepEqual(record, exception);
    const without = setUp(['-error']);
    without.logger.emitJsonLine(JSON.stringify({ error: err }), root);
    without.logger.emit({ exception: new Error('canary'), context: root });
    assert.deepEqual(
      logRecordsIn(without.sink).map(each => plain(attributesOf(each))),
      [{}, {}],
    );
  });

  it('are nobody’s to see in a line that cannot be read', () => {
    const { sink, logger } = setUp(['-password']);
    logger.emitJsonLine('{"password":"canary"', root);
    logger.emitJsonLine(`{"password":"${'canary'.repeat(100_000)}"}`, root);
    assert.deepEqual(
      logRecordsIn(sink).map(({ body }) => body),
      ['***', '***'],
    );
  });

  it('fit into the room of a record when all of them are replaced', () => {
    const { sink, logger } = setUp(['*.*=***', 'b.*.*=***']);
    for (const [part, name] of [
      ['1', 'a'],
      ['""', 'a'],
      ['[0]', 'b'],
    ] as const)
      logger.emitJsonLine(`{"${name}":[${Array(5000).fill(part).join(',')}]}`, root);
    for (const record of logRecordsIn(sink))
      assert.deepEqual(new Set(Object.values(attributesOf(record)).flat(2)), new Set(['***']));
    assert.equal(sink.lines.counters.malformed, 0);
  });

  it('cost their record nothing but themselves when they throw', () => {
    const { sink, logger } = setUp(['-a.b']);
    const a = {
      get c(): never {
        throw new Error('no');
      },
    };
    logger.emit({ attributes: { a, n: 1 } as never, context: root });
    assert.deepEqual({ ...attributesOf(logRecordsIn(sink)[0]!) }, { n: 1 });
  });

  it('are those that a simple reading of the paths leaves', () => {
    const name = fc.constantFrom('a', 'b', 'c', '__proto__');
    const key = fc.oneof(
      name,
      fc.tuple(name, name).map(names => names.join('.')),
    );
    const { members } = fc.letrec<{ value: unknown; members: object }>(tie => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(fc.nat(9), fc.string({ maxLength: 3 }), fc.boolean()),
        tie('members'),
        fc.array(tie('value'), { maxLength: 3 }),
      ),
      members: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
    }));
    const path = fc
      .array(fc.oneof(name, fc.constantFrom('*', '0')), { minLength: 1, maxLength: 4 })
      .map(names => names.join('.'));
    const item = fc.oneof(
      path,
      path.map(each => `-${each}`),
      path.map(each => `${each}=***`),
    );
    const logged = members.map(each => JSON.parse(JSON.stringify(each)) as object);
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 6 }), logged, (items, object) => {
        const left = reference(items.map(parsed), object, []);
        const expected = left === nothing ? {} : plain(left);
        assert.deepEqual(sent(items, object), { line: expected, record: expected });
      }),
      { numRuns: 2000 },
    );
  });
});
