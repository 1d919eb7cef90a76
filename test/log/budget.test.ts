// The budget of records below WARN: how many are kept, and that their weights count what there was.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { trace } from '@opentelemetry/api';
import { Clock } from '../../src/context/clock.ts';
import { SpanIdentity } from '../../src/context/identity.ts';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { Threshold } from '../../src/context/threshold.ts';
import { LoggerProvider } from '../../src/log/logger-provider.ts';
import { attributesOf, logRecordsIn } from '../decoded-records.ts';
import { MemorySink } from '../memory-sink.ts';

const root = ObservabilityContext.root;
const levels = { debug: '{"level":20', info: '{"level":30', warn: '{"level":40' } as const;
type Level = keyof typeof levels;

/** Loggers under a clock that moves as records come. */
class Simulation {
  readonly sink = new MemorySink();
  readonly made: Record<Level, number> = { debug: 0, info: 0, warn: 0 };
  /** By level: how many were kept, and how many those stand for. */
  readonly kept: Record<Level, number> = { debug: 0, info: 0, warn: 0 };
  readonly counted: Record<Level, number> = { debug: 0, info: 0, warn: 0 };
  #now = 0;
  readonly #logger;

  constructor(budget: number) {
    const clock = new Clock({ monotonic: () => this.#now, wall: () => 1e12 + this.#now });
    this.#logger = new LoggerProvider({ sink: this.sink, clock, budget }).getLogger('x');
  }

  /** Records of one second, evenly spread; every other one is a line. */
  second(perSecond: Readonly<Partial<Record<Level, number>>>, context: ObservabilityContext = root): void {
    const start = this.#now;
    const all = Object.entries(perSecond) as [Level, number][];
    const most = Math.max(...all.map(([, count]) => count));
    for (let i = 0; i < most; i++) {
      this.#now = start + (1000 * i) / most;
      for (const [level, count] of all)
        if (Math.floor((i * count) / most) !== Math.floor(((i + 1) * count) / most)) this.log(level, context);
    }
    this.#now = start + 1000;
    this.#settle();
  }

  log(level: Level, context: ObservabilityContext): void {
    const head = { level: levels[level], time: '', context: '', bindings: '' };
    if (this.made[level]++ % 2 === 0)
      this.#logger.emitJsonLine(`${head.level},"msg":"${level}"}`, context, undefined, head);
    else this.#logger.emit({ severityText: level, body: level, context });
  }

  #settle(): void {
    for (const record of logRecordsIn(this.sink)) {
      const level = String(record.body) as Level;
      const text = attributesOf(record)['sampling.threshold'];
      this.kept[level]++;
      this.counted[level] += text === undefined ? 1 : 1 / Threshold.parse(String(text))!.ratio;
    }
    this.sink.frames.length = 0;
  }
}

describe('a budget of records below WARN', () => {
  it('leaves all alone that it has room for', () => {
    const simulation = new Simulation(1000);
    for (let second = 0; second < 3; second++) simulation.second({ debug: 400, info: 600, warn: 5000 });
    assert.deepEqual(simulation.kept, { debug: 1200, info: 1800, warn: 15_000 });
    assert.deepEqual(simulation.sink.leftOut[3], 0);
  });

  it('thins DEBUG sooner than INFO and WARN never, to about what it is', () => {
    const simulation = new Simulation(2000);
    simulation.second({ debug: 4000, info: 4000, warn: 500 });
    const before = { ...simulation.kept };
    simulation.second({ debug: 4000, info: 4000, warn: 500 });
    const kept = (level: Level): number => simulation.kept[level] - before[level];
    assert.equal(kept('warn'), 500);
    assert.ok(kept('debug') < kept('info') / 2, JSON.stringify(simulation.kept));
    const both = kept('debug') + kept('info');
    assert.ok(Math.abs(both - 2000) < 5 * Math.sqrt(2000), `${both} of 2000`);
  });

  it('has counts by weight within 2 % of what there was, whatever the rate does', () => {
    const simulation = new Simulation(10_000);
    for (let second = 0; second < 24; second++) {
      const surge = second % 6 === 3 ? 5 : 1;
      simulation.second({ debug: 10_000 * surge, info: 15_000 * surge, warn: 100 });
    }
    for (const level of ['debug', 'info', 'warn'] as const) {
      const error = simulation.counted[level] / simulation.made[level] - 1;
      assert.ok(
        Math.abs(error) < 0.02,
        `${level}: ${simulation.counted[level]} of ${simulation.made[level]}`,
      );
    }
    const all = simulation.kept.debug + simulation.kept.info;
    assert.ok(all < (simulation.made.debug + simulation.made.info) / 2, `${all}`);
    assert.equal(simulation.sink.leftOut[3], simulation.made.debug + simulation.made.info - all);
  });

  it('bounds a burst out of silence by its logarithm', () => {
    const simulation = new Simulation(100);
    simulation.second({ info: 102_400 });
    assert.ok(simulation.kept.info < 100 * 16, `${simulation.kept.info}`);
  });

  it('is whole again after a second without records', () => {
    const simulation = new Simulation(100);
    simulation.second({ info: 10_000 });
    simulation.second({ warn: 1 });
    simulation.second({ warn: 1 });
    const before = simulation.kept.info;
    simulation.second({ info: 100 });
    assert.equal(simulation.kept.info - before, 100);
  });

  it('keeps all records of one severity of a trace, or none', () => {
    const simulation = new Simulation(100);
    simulation.second({ info: 1000 });
    const { kept } = simulation;
    for (const [randomness, all] of [
      ['ffffffffffffff', 10],
      ['00000000000000', 0],
    ] as const) {
      const before = kept.info;
      const identity = SpanIdentity.fromHex(`123456789abcdef012${randomness}`, 'b7ad6b7169203331', 3)!;
      simulation.second({ info: 10 }, root.withSpan(trace.wrapSpanContext(identity)));
      assert.equal(kept.info - before, all);
      simulation.second({ info: 1000 });
    }
  });
});
