// What the agent says on stderr: each line once a minute at the most, and the collector's absence once.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DiagLogLevel } from '@opentelemetry/api';
import { CollectorWatch } from '../src/collector-watch.ts';
import { diagLevel, diagLogger, Notices } from '../src/notices.ts';
import type { TransportStats } from '../src/transport/stats.ts';

const MINUTE_MS = 60_000;

function fixture() {
  const written: string[] = [];
  const clock = { now: 0 };
  const notices = new Notices(
    text => void written.push(text),
    () => clock.now,
  );
  return { written, clock, notices };
}

describe('a notice', () => {
  it('is one line', () => {
    const { written, notices } = fixture();
    notices.say('first\n  second\r\nthird');
    assert.deepEqual(written, ['tricord: first | second | third\n']);
  });

  it('is said again after a minute, with the number of those left out', () => {
    const { written, clock, notices } = fixture();
    for (clock.now = 0; clock.now < MINUTE_MS; clock.now += 1000) notices.say('again');
    assert.deepEqual(written, ['tricord: again\n']);
    notices.say('again');
    assert.deepEqual(written, ['tricord: again\n', 'tricord: again (and 59 more like this)\n']);
    clock.now = 2 * MINUTE_MS - 1;
    notices.say('again');
    assert.equal(written.length, 2);
    clock.now = 2 * MINUTE_MS;
    notices.say('again');
    assert.equal(written.at(-1), 'tricord: again (and 1 more like this)\n');
  });

  it('does not keep another from being said, and is forgotten for 200 newer ones', () => {
    const { written, notices } = fixture();
    for (let i = 0; i < 200; i++) notices.say(`line ${i}`);
    notices.say('line 0');
    assert.equal(written.length, 200);
    notices.say('line 200');
    notices.say('line 1');
    assert.equal(written.length, 201);
    notices.say('line 0');
    assert.equal(written.length, 202);
  });

  it('never throws, though nobody listens', () => {
    const closed = new Notices(() => {
      throw new Error('EPIPE');
    });
    closed.say('into the void');
  });
});

describe('a message of OpenTelemetry’s diag', () => {
  it('is a notice with its level, and what came with it', () => {
    const { written, notices } = fixture();
    const logger = diagLogger(notices);
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    logger.warn('bad', { a: 1 }, 7, circle);
    logger.error('worse');
    logger.error('worse');
    assert.deepEqual(written, ['tricord: [warn] bad {"a":1} 7 (unreadable)\n', 'tricord: [error] worse\n']);
  });

  it('has the level of OTEL_LOG_LEVEL', () => {
    assert.deepEqual(
      [diagLevel('none'), diagLevel('warn'), diagLevel('all')],
      [DiagLogLevel.NONE, DiagLogLevel.WARN, DiagLogLevel.ALL],
    );
  });
});

const signal = { pending: 0 };
const stats = (changes: object): TransportStats =>
  ({ connections: 0, signals: { traces: signal, metrics: signal, logs: signal }, ...changes }) as never;

describe('the watch over the collector', () => {
  const watch = (tellsFirst = false) => {
    const said: string[] = [];
    return { said, watch: new CollectorWatch('http://c:4317', line => void said.push(line), tellsFirst) };
  };
  const away = { kind: 'away', reason: 'refused' } as const;
  const connected = { kind: 'connected' } as const;

  it('says once that it cannot be reached and why, and once that it answers', () => {
    const { said, watch: watcher } = watch();
    for (const news of [connected, away, { ...away, reason: 'another' }, connected, connected])
      watcher.hear(news);
    assert.equal(said.length, 2);
    assert.match(said[0]!, /^the collector at http:\/\/c:4317 cannot be reached: refused\. /);
    assert.equal(said[1], 'the collector at http://c:4317 answers.');
  });

  it('says of the first answer only to who asks', () => {
    const { said, watch: watcher } = watch(true);
    watcher.hear(connected);
    watcher.hear(connected);
    assert.deepEqual(said, ['the collector at http://c:4317 answers.']);
  });

  it('says what is lost with the process, unless its reason was said', () => {
    const { said, watch: watcher } = watch();
    const pending = { traces: { pending: 2 }, metrics: signal, logs: { pending: 1 } };
    watcher.ended(stats({ signals: pending }));
    watcher.ended(stats({ signals: pending, connections: 1 }));
    watcher.ended(stats({}));
    assert.deepEqual(said, [
      'the collector at http://c:4317 was not reached: 2 spans, 1 log records are lost with this process.',
      'the collector at http://c:4317 did not take everything in time: 2 spans, 1 log records are lost with this process.',
    ]);
    watcher.hear(away);
    watcher.ended(stats({ signals: pending }));
    assert.equal(said.length, 3);
  });

  it('says what the collector rejects, at the end of the process only where nobody has heard of it', () => {
    const { said, watch: watcher } = watch();
    const rejected = { traces: { rejected: 2 }, metrics: { rejected: 0 }, logs: { rejected: 1 } };
    watcher.settled(stats({ signals: rejected }));
    assert.deepEqual(said, [
      'the collector at http://c:4317 rejected 2 spans, 1 log records; `npx tricord doctor` looks into it.',
    ]);
    watcher.hear({ kind: 'trouble', reason: 'it rejected items: who are you' });
    watcher.settled(stats({ signals: rejected }));
    assert.deepEqual(said.slice(1), ['the collector at http://c:4317: it rejected items: who are you.']);
  });
});
