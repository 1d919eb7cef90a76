// The benchmark suite's harness: turns, medians, ratios within a round, and runs that do not count.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { agentEnvironment, withBefore } from '../../bench/before.ts';
import { pageWith } from '../../bench/benchmarks-page.ts';
import { type Result, run } from '../../bench/harness.ts';
import { jsonLine, tables } from '../../bench/report.ts';
import {
  addedRatio,
  type Contestant,
  ratio,
  requireDelivered,
  type Scenario,
  VoidRun,
} from '../../bench/scenario.ts';
import { root } from '../source-tree.ts';

const order: string[] = [];

/** Costs these many nanoseconds, run by run; undefined: the run is void. */
function contestant(name: string, costs: readonly (number | undefined)[]): Contestant {
  let runs = 0;
  const measure: Contestant['measure'] = async () => {
    order.push(name);
    const mainNs = costs[runs++];
    if (mainNs === undefined) throw new VoidRun('9 of 10 spans arrived');
    return { mainNs };
  };
  return { name, measure };
}

async function result(
  bare: readonly (number | undefined)[],
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): Promise<Result> {
  order.length = 0;
  const scenario: Scenario = {
    name: 'trial',
    about: 'A trial.',
    contestants: [contestant('none', bare), contestant('ours', ours), contestant('theirs', theirs)],
    columns: [{ figure: 'mainNs', heading: 'ns', digits: 1 }],
    ratios: [
      ratio('whole', 'mainNs', ['ours', 'theirs'], { atMost: 0.25 }),
      addedRatio('added', 'mainNs', ['none', 'ours', 'theirs'], { atMost: 0.125 }),
    ],
  };
  return run(scenario, bare.length, () => {});
}

describe('a benchmark', () => {
  it('lets the contestants take turns, each round beginning with another one', async () => {
    await result([1, 1], [1, 1], [2, 2]);
    assert.deepEqual(order, ['none', 'ours', 'theirs', 'ours', 'theirs', 'none']);
  });

  it('takes ratios within a round, and the median of them', async () => {
    const { ratios, medians } = await result([10, 10, 10], [20, 30, 200], [90, 60, 210]);
    assert.deepEqual(medians, { none: { mainNs: 10 }, ours: { mainNs: 30 }, theirs: { mainNs: 90 } });
    assert.deepEqual(ratios[0]!.rounds, [20 / 90, 0.5, 200 / 210]);
    assert.equal(ratios[0]!.value, 0.5);
    assert.equal(ratios[1]!.value, 20 / 50);
  });

  it('has no added cost of a round in which somebody seems to add nothing', async () => {
    const { ratios } = await result([10, 30, 10], [20, 20, 10], [90, 90, 90]);
    assert.deepEqual(ratios[1]!.rounds, [10 / 80]);
  });

  it('holds a bar that is just reached, and misses the one below', async () => {
    const { ratios } = await result([10], [20], [80]);
    assert.deepEqual(
      ratios.map(({ value, met }) => [value, met]),
      [
        [0.25, true],
        [10 / 70, false],
      ],
    );
  });

  it('tells a ratio without a bar, and no verdict on it', async () => {
    const done = await run(
      {
        name: 'trial',
        about: 'A trial.',
        contestants: [contestant('ours', [30]), contestant('theirs', [20])],
        columns: [],
        ratios: [ratio('told', 'mainNs', ['ours', 'theirs'])],
      },
      1,
      () => {},
    );
    assert.match(tables(done), /\| told +\| 1\.50 × +\| 1\.50 × +\| +– \| +\|/);
    assert.equal(JSON.parse(jsonLine([done])).met, true);
  });

  it('leaves a void run out, with every ratio of its round, and says so', async () => {
    const done = await result([10, 10], [20, undefined], [80, 8]);
    assert.deepEqual(done.ratios[0]!.rounds, [0.25]);
    assert.deepEqual(done.medians.theirs, { mainNs: 44 });
    assert.match(tables(done), /Void: round 2 of 2, ours: 9 of 10 spans arrived\./);
  });

  it('has no ratio where no round counts', async () => {
    const done = await result([10], [undefined], [80]);
    assert.equal(done.ratios[0]!.value, undefined);
    const line = JSON.parse(jsonLine([done]));
    assert.equal(line.valid, false);
    assert.equal(line.met, false);
    assert.deepEqual(line.ratios, { whole: null, added: null });
    assert.match(tables(done), /\| whole +\| +– \|.*\| void \|/);
  });

  it('does not divide by a difference that is nothing', async () => {
    const { ratios } = await result([10], [20], [10]);
    assert.equal(ratios[1]!.value, undefined);
  });

  it('tells its ratios in one line of JSON', async () => {
    const text = jsonLine([await result([10], [20], [80])]);
    assert.equal(text.includes('\n'), false);
    const { scenario, ratios, counted, medians } = JSON.parse(text);
    assert.deepEqual(
      { scenario, ratios, counted, ours: medians.ours },
      {
        scenario: 'trial',
        ratios: { whole: 0.25, added: 10 / 70 },
        counted: { whole: 1, added: 1 },
        ours: { mainNs: 20 },
      },
    );
  });

  it('lets those of one heat run at the same time, and act one after the other', async () => {
    const acts: string[] = [];
    const heated = (name: string, turnsTaken: number): Contestant => ({
      name,
      heat: 'one',
      measure: async turn => {
        for (let i = 0; i < turnsTaken; i++)
          await turn.take(async () => {
            acts.push(`${name} begins`);
            await immediate();
            acts.push(`${name} ends`);
            if (name === 'b') throw new VoidRun('it fell over');
          });
        return { mainNs: 1 };
      },
    });
    const contestants = [heated('a', 3), heated('b', 3), heated('c', 2)];
    const scenario: Scenario = { name: 'heat', about: '', contestants, columns: [], ratios: [] };
    const { voids, medians } = await run(scenario, 1, () => {});
    const expected = ['a', 'b', 'c', 'a', 'c', 'a'].flatMap(name => [`${name} begins`, `${name} ends`]);
    assert.deepEqual(acts, expected);
    assert.deepEqual(voids, [{ round: 1, contestant: 'b', reason: 'it fell over' }]);
    assert.deepEqual(Object.keys(medians), ['a', 'c']);
  });

  it('can have the agent of another checkout compete', async () => {
    const agents: [contestant: string, checkout: string | undefined][] = [];
    const asked = (name: string, mainNs: number): Contestant => ({
      name,
      measure: async () => {
        agents.push([name, agentEnvironment().BENCH_AGENT_OF]);
        return { mainNs };
      },
    });
    const contestants = [asked('none', 1), asked('tricord', 3)];
    const columns = [{ figure: 'mainNs', heading: 'ns', digits: 0 }];
    const bars = [ratio('bar', 'mainNs', ['tricord', 'none'], { atMost: 4 })];
    const scenario = withBefore({ name: 'turn', about: '', contestants, columns, ratios: bars }, '/before');
    const { medians, ratios } = await run(scenario, 1, () => {});
    assert.deepEqual(Object.keys(medians), ['none', 'tricord', 'tricord (before)']);
    assert.deepEqual(agents, [
      ['none', undefined],
      ['tricord', root],
      ['tricord', '/before'],
    ]);
    assert.deepEqual(
      ratios.map(({ name, value }) => [name, value]),
      [
        ['bar', 3],
        ['mainNs_to_before', 1],
      ],
    );
  });

  it('accepts what was delivered once, and neither less nor more', () => {
    requireDelivered('spans', 10, 10);
    assert.throws(() => requireDelivered('spans', 10, 9), VoidRun);
    assert.throws(() => requireDelivered('spans', 10, 11), VoidRun);
  });
});

describe('the page of benchmarks', () => {
  it('gets the sections of what was run, and keeps the others, in the order of the suite', async () => {
    const ran = await result([1], [3], [5]);
    const counter = { ...ran, scenario: { ...ran.scenario, name: 'counter' } };
    const before = '# Benchmarks\n\nAs it was.\n\n## log\n\nA line.\n\n### Of it\n\n## counter\n\nOld.\n';
    const page = pageWith(before, [counter]);
    assert.deepEqual(page.match(/^## .*/gm), ['## counter', '## log']);
    assert.match(page, /^# Benchmarks\n\nOurs beside its peers/);
    assert.match(
      page,
      /## counter\n\nA trial\.\n\n```sh\nnpm run --silent bench -- counter\n```\n\ntricord at .*, 1 rounds\.\n\n\|/,
    );
    assert.ok(page.endsWith('## log\n\nA line.\n\n### Of it\n'));
    assert.doesNotMatch(page, /As it was|Old/);
    assert.equal(pageWith(page, [counter]), page);
  });
});
