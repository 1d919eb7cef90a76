// Operations that real copies of graphql 16 and 17 execute: one span each.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { beforeEach, describe, it } from 'node:test';
import { trace } from '@opentelemetry/api';
import { ObservabilityContext } from '../../src/index.ts';
import { instrumentGraphql } from '../../src/instrument/graphql.ts';
import { exceptionsOf } from './server-span.ts';
import { Telemetry } from './telemetry.ts';

const telemetry = new Telemetry();
instrumentGraphql();
type Graphql = typeof import('graphql');
const versions: Record<string, Graphql> = {
  'graphql 16': createRequire(import.meta.url)('graphql16') as Graphql,
  'graphql 17': await import('graphql'),
};

const SERVER = 2;
const activeSpanId = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId;

/** What the resolvers saw as active. */
let inResolver: (string | undefined)[] = [];
beforeEach(() => {
  telemetry.clear();
  inResolver = [];
});

const rootValue = {
  book: async () => {
    await new Promise(resolve => setImmediate(resolve));
    inResolver.push(activeSpanId());
    return 'Emma';
  },
  boom: async () => {
    throw new RangeError('boom');
  },
  coded: () => {
    throw Object.assign(new Error('not yours'), { extensions: { code: 'FORBIDDEN' } });
  },
  rename: () => {
    inResolver.push(activeSpanId());
    return 'Persuasion';
  },
  async *ticks() {
    yield { ticks: 1 };
    yield { ticks: 2 };
  },
};

for (const [name, graphql] of Object.entries(versions)) {
  const schema = graphql.buildSchema(`
    type Query { book(id: Int, title: String): String, boom: String, coded: String }
    type Mutation { rename: String }
    type Subscription { ticks: Int }
  `);
  const ask = (source: string, operationName?: string) =>
    graphql.graphql({ schema, source, rootValue, ...(operationName ? { operationName } : {}) });

  describe(`a span of ${name}`, () => {
    it('tells of the operation without the data in it, and is active in its resolvers', async () => {
      const caller = trace.getTracer('test').startSpan('caller');
      const source = 'query Find { # who?\n  book(id: 4711, title: "secret") }';
      const after = await ObservabilityContext.root.withSpan(caller).run(async () => {
        const result = await ask(source);
        assert.equal(result.data?.book, 'Emma');
        return activeSpanId();
      });
      const [span] = await telemetry.until(1);
      assert.deepEqual([span!.name, span!.kind, span!.status], ['query', SERVER, 0]);
      assert.deepEqual(
        { ...span!.attributes },
        {
          'graphql.operation.type': 'query',
          'graphql.operation.name': 'Find',
          'graphql.document': 'query Find { book(id: ?, title: ?) }',
        },
      );
      assert.equal(span!.parentId, caller.spanContext().spanId);
      assert.deepEqual(inResolver, [span!.spanId]);
      assert.equal(after, caller.spanContext().spanId);
    });

    it('is that of the operation that was asked for, and leaves no context behind', async () => {
      assert.equal(
        graphql.graphqlSync({ schema, source: 'mutation { rename }', rootValue }).data?.rename,
        'Persuasion',
      );
      assert.equal(activeSpanId(), undefined);
      await ask('query A { book } query B { book }', 'B');
      const [mutation, query] = await telemetry.until(2);
      assert.deepEqual(
        [mutation!.name, mutation!.attributes['graphql.operation.name']],
        ['mutation', undefined],
      );
      assert.deepEqual([query!.name, query!.attributes['graphql.operation.name']], ['query', 'B']);
      assert.deepEqual(inResolver, [mutation!.spanId, query!.spanId]);
    });

    it('is an error when the result has errors', async () => {
      await ask('{ boom }');
      await ask('{ coded }');
      const [thrown, coded] = await telemetry.until(2);
      assert.deepEqual([thrown!.status, thrown!.attributes['error.type']], [2, 'RangeError']);
      assert.deepEqual(exceptionsOf(thrown!), ['boom']);
      assert.deepEqual([coded!.status, coded!.attributes['error.type']], [2, 'FORBIDDEN']);
    });

    it('is one for a subscription, none for its events', async () => {
      const document = graphql.parse('subscription { ticks }');
      const events = (await graphql.subscribe({
        schema,
        document,
        rootValue: { ticks: rootValue.ticks },
      })) as AsyncIterable<unknown>;
      let count = 0;
      for await (const _event of events) count++;
      assert.equal(count, 2);
      assert.deepEqual(
        telemetry.spans.map(span => span.name),
        ['subscription'],
      );
    });

    it('has no document where the parser keeps no text, and stays away under suppression', async () => {
      const document = graphql.parse('{ book }', { noLocation: true });
      await ObservabilityContext.root
        .withSuppression(true)
        .run(() => graphql.execute({ schema, document, rootValue }));
      await graphql.execute({ schema, document, rootValue });
      const spans = await telemetry.until(1);
      assert.equal(spans.length, 1);
      assert.equal(spans[0]!.attributes['graphql.document'], undefined);
    });

    it('is not made for what graphql refuses, which throws as ever, without a word on stderr', async context => {
      const stderr = context.mock.method(process.stderr, 'write', () => true);
      assert.throws(() => graphql.execute({ schema, document: undefined as never }));
      assert.equal(stderr.mock.callCount(), 0);
      await ask('{ book }');
      assert.equal((await telemetry.until(1)).length, 1);
    });
  });
}
