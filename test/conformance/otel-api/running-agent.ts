// The agent in this process, as `start()` makes it, towards a collector of the test's; and what arrived there.
import assert from 'node:assert/strict';
import { type AnyValue, type DecodedSpan, decodeTraces, Signal } from 'tricord/otlp';
import { type Options, start, type Tricord } from '../../../src/index.ts';
import { attributesOf } from '../../decoded-records.ts';
import { TestCollector } from '../../transport/test-collector.ts';

export interface Arrived {
  readonly spans: readonly DecodedSpan[];
  /** Of the resource that the spans belong to. */
  readonly resource: Readonly<Record<string, AnyValue>>;
}

/** Starts the agent with these options in this environment, shuts it down after `use`, and reads what has arrived. */
export async function arrivedFrom(
  use: (agent: Tricord) => unknown,
  options: Partial<Options> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Arrived> {
  const collector = await TestCollector.start();
  try {
    const agent = inEnvironment(env, () =>
      start({ endpoint: collector.url, transportThread: false, metricsExporter: 'none', ...options }),
    );
    assert.ok(agent);
    try {
      await use(agent);
    } finally {
      await agent.shutdown();
    }
    return read(collector);
  } finally {
    collector.stop();
  }
}

/** What `use` returns with these variables set. */
export function inEnvironment<T>(env: Readonly<Record<string, string>>, use: () => T): T {
  const before = process.env;
  process.env = { ...before, ...env };
  try {
    return use();
  } finally {
    process.env = before;
  }
}

function read(collector: TestCollector): Arrived {
  const spans: DecodedSpan[] = [];
  let resource: Readonly<Record<string, AnyValue>> = {};
  for (const { payload } of collector.taken.filter(({ signal }) => signal === Signal.traces)) {
    decodeTraces(payload, {
      span: span => void spans.push(span),
      resource: found => {
        resource = attributesOf(found);
      },
    });
  }
  return { spans, resource };
}
