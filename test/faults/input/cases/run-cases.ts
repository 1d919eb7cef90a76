// Gives every case to a real collector, one after another; after each a good request must be taken on every way.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Signal, toJson } from 'tricord/otlp';
import { logsRequest, traceRequest } from '../../../collector/requests.ts';
import * as wire from '../../../transport/otlp/wire.ts';
import type { Command } from '../../scenario.ts';
import { WrongAnswer } from '../decoder.ts';
import type { Finding } from '../fuzz.ts';
import { compressionCases } from './compression.ts';
import { httpCases } from './http.ts';
import type { CaseItem, InputCase, Way } from './input-case.ts';
import { jsonCases } from './json.ts';
import { MALFORMED, protobufCases } from './protobuf.ts';
import { Target } from './target.ts';

const cases: readonly InputCase[] = [...protobufCases, ...jsonCases, ...compressionCases, ...httpCases];

const FINDINGS_MAX = 10;
const SLOW_FROM_PERCENT = 1;

export interface CasesOutcome {
  readonly cases: number;
  /** Items that have had a case. */
  readonly items: number;
  readonly inputs: number;
  readonly slowestMs: number;
  readonly peakMb: number;
  /** Sum of the ledger's gaps, and items that were booked and never answered for, or the other way round. */
  readonly gap: number;
  /** Malformed items that the store shows. */
  readonly stored: number;
  readonly findings: readonly Finding[];
}

export async function runCases({ budget, point, plant }: Command): Promise<CasesOutcome> {
  const directory = await mkdtemp(join(tmpdir(), 'tricord-input-'));
  const target = await Target.start(directory, plant);
  const findings: Finding[] = [];
  const items = new Set<CaseItem>();
  let inputs = 0;
  let count = 0;
  try {
    for (const [at, each] of cases.entries()) {
      if (point === undefined ? each.slow && budget < SLOW_FROM_PERCENT : at !== point) continue;
      count++;
      items.add(each.item);
      inputs += await tried(at, each, budget, target, findings);
      if (findings.length >= FINDINGS_MAX || !target.running) break;
    }
    const shown = target.running ? await whatIsShown(target) : { gap: 0, stored: 0, peakMb: 0 };
    return { cases: count, items: items.size, inputs, slowestMs: target.slowestMs, ...shown, findings };
  } finally {
    await target.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** The number of inputs. */
async function tried(
  point: number,
  { item, name, run }: InputCase,
  percent: number,
  target: Target,
  findings: Finding[],
): Promise<number> {
  const find = (kind: Finding['kind'], error: unknown): unknown =>
    findings.push({ kind, point, message: `${item}, ${name}: ${(error as Error).message}` });
  let inputs = 0;
  try {
    inputs = await run(target, percent);
  } catch (error) {
    const silent = /^silent for/.test((error as Error).message);
    find(silent ? 'hung' : error instanceof WrongAnswer ? 'wrong' : 'crashed', error);
  }
  if (!target.running) find('crashed', new Error(`the collector has ended:\n${target.tail()}`));
  else await sendGood(target).catch(error => find('refused', error));
  return inputs;
}

const good: readonly (readonly [signal: Signal, request: Buffer])[] = [
  [Signal.traces, traceRequest(['good'])],
  [Signal.metrics, Buffer.from(wire.request(wire.bytes(wire.len(1, 'good'), wire.len(5, wire.len(1)))))],
  [Signal.logs, logsRequest(['good'])],
];

async function sendGood(target: Target): Promise<void> {
  for (const [signal, request] of good) {
    for (const way of ['grpc', 'protobuf', 'stream'] as const satisfies Way[])
      await target.expect(way, signal, request, 'taken', 1);
    await target.expect('json', signal, Buffer.from(toJson(signal, request)), 'taken', 1);
  }
}

async function whatIsShown(target: Target): Promise<{ gap: number; stored: number; peakMb: number }> {
  let gap = await target.gap();
  for (const signal of [Signal.traces, Signal.metrics, Signal.logs]) {
    const [answered, booked] = await target.accepted(signal);
    gap += Math.abs(answered - booked);
  }
  return { gap, stored: await malformedStored(target), peakMb: await target.peakMemoryMb() };
}

/** Malformed items are of now and carry a name by which the store would find them. */
async function malformedStored(target: Target): Promise<number> {
  const seconds = Math.ceil(Date.now() / 1000);
  const range = { start: String(seconds - 3600), end: String(seconds + 60), limit: '100' };
  const questions = [
    ['/tempo/api/search', { ...range, q: `{ name = "${MALFORMED}" }` }],
    ['/loki/api/v1/query_range', { ...range, query: `{service_name=~".+"} |= "${MALFORMED}"` }],
    ['/prometheus/api/v1/series', { ...range, 'match[]': MALFORMED }],
  ] as const;
  let stored = 0;
  for (const [path, query] of questions) {
    const { status, text } = await target.ask(`${path}?${new URLSearchParams(query)}`);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    const { traces, data } = JSON.parse(text) as {
      traces?: unknown[];
      data?: unknown[] | { result: unknown[] };
    };
    stored += (traces ?? (Array.isArray(data) ? data : data!.result)).length;
  }
  return stored;
}
