// A network at its worst: one fault of a proxy after another, by chance, each for a while.
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../collector/queue/memory-disk.ts';
import type { FaultLink } from './fault-link.ts';
import type { FaultProxy } from './fault-proxy.ts';

interface Fault {
  readonly begin: (proxy: FaultProxy, between: (least: number, most: number) => number) => void;
  /** At its end; the proxy is healed then anyway, but for connections that are lost. */
  readonly end?: (proxy: FaultProxy) => void;
  /** How long it lasts. */
  readonly secondsMin?: number;
  readonly secondsMax: number;
}

const LEAST_SECONDS = 0.1;
const BRIEF_SECONDS = 5;
/** Longer than a keep-alive takes to find out: 20 s. */
const SILENT_SECONDS = 25;

/** More than the agent waits until it connects again. */
const OVERTAKEN_MS = 1000;

/** What is dead stays so: only a keep-alive finds it out, or a peer that tells. */
const each = (proxy: FaultProxy, what: (link: FaultLink) => void): void => {
  for (const link of proxy.links) if (link.passes) what(link);
};
const reset = (proxy: FaultProxy): void => each(proxy, link => link.reset());

const faults: Readonly<Record<string, Fault>> = {
  latency: {
    begin: (proxy, between) => {
      proxy.passage = { latencyMs: between(20, 300), jitterMs: between(0, 200) };
    },
    secondsMax: BRIEF_SECONDS,
  },
  /** What is on its way when the agent takes a new connection comes over that one first, and then over the old one. */
  overtaken: {
    begin: proxy => {
      proxy.passage = { latencyMs: OVERTAKEN_MS };
    },
    end: proxy => each(proxy, link => link.hangUp()),
    secondsMin: 0.7,
    secondsMax: BRIEF_SECONDS,
  },
  /** What was acknowledged meanwhile is on its way, and lost with the connection. */
  'lost answers': {
    begin: (proxy, between) => {
      proxy.passage = { latencyMs: between(100, 300) };
    },
    end: reset,
    // What is sent must arrive before it is over.
    secondsMin: 0.7,
    secondsMax: BRIEF_SECONDS,
  },
  slices: {
    begin: (proxy, between) => {
      proxy.passage = { sliceBytes: Math.ceil(between(100, 1000)) };
    },
    secondsMax: BRIEF_SECONDS,
  },
  narrow: {
    begin: (proxy, between) => {
      proxy.passage = { bytesPerSecond: between(2000, 50_000) };
    },
    secondsMax: BRIEF_SECONDS,
  },
  'one byte in a second': {
    begin: proxy => {
      proxy.passage = { bytesPerSecond: 1 };
    },
    secondsMax: SILENT_SECONDS,
  },
  reset: { begin: reset, secondsMax: BRIEF_SECONDS },
  'reset again and again': {
    begin: proxy => {
      proxy.admission = 'reset';
      reset(proxy);
    },
    secondsMax: BRIEF_SECONDS,
  },
  refused: {
    begin: proxy => {
      proxy.refuse();
      reset(proxy);
    },
    secondsMax: BRIEF_SECONDS,
  },
  'black hole': {
    begin: proxy => {
      proxy.admission = 'black hole';
      each(proxy, link => link.blackHole());
    },
    secondsMax: SILENT_SECONDS,
  },
  'server forgotten': {
    begin: proxy => each(proxy, link => link.halfOpen('server')),
    secondsMax: SILENT_SECONDS,
  },
  'client forgotten': {
    begin: proxy => each(proxy, link => link.halfOpen('client')),
    secondsMax: BRIEF_SECONDS,
  },
};

/** No fault lasts longer than this share of the time that there is: there are several, however short that is. */
const SHARE_MAX = 0.3;
/** How often a peer that comes back lets the other know that it has forgotten the connection. */
const TELLS_CHANCE = 0.5;

/** What there is in every run, however short. */
const FIRST = 'lost answers';

/** Lets chance rule until the time is over, and then heals the proxy. Resolves with the number of faults. */
export async function disturb(proxy: FaultProxy, random: Random, seconds: number): Promise<number> {
  const names = Object.keys(faults);
  const deadlineMs = performance.now() + seconds * 1000;
  const leftMs = (): number => deadlineMs - performance.now();
  const between = (least: number, most: number): number => least + (most - least) * random();
  let count = 0;
  for (; leftMs() > 0; count++) {
    const fault = faults[count === 0 ? FIRST : names[Math.floor(random() * names.length)]!]!;
    const { secondsMin = LEAST_SECONDS, secondsMax } = fault;
    const ownMs = 1000 * Math.max(secondsMin, Math.min(secondsMax, SHARE_MAX * seconds) * random());
    fault.begin(proxy, between);
    await delay(Math.min(ownMs, Math.max(leftMs(), 0)));
    fault.end?.(proxy);
    await proxy.heal();
    if (random() < TELLS_CHANCE) resetDead(proxy);
  }
  // For a keep-alive to find them there is no time.
  if (seconds < SILENT_SECONDS) resetDead(proxy);
  return count;
}

function resetDead(proxy: FaultProxy): void {
  for (const link of proxy.links) if (!link.passes) link.reset();
}
