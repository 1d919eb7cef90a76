// The collector's own numbers as Prometheus text, and its log as lines that nothing can break.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logLine } from '../../collector/log.ts';
import { SelfTelemetry } from '../../collector/self-telemetry.ts';

describe('self-telemetry', () => {
  it('gives the same counter for the same labels in any order, and escapes their values', () => {
    const telemetry = new SelfTelemetry();
    telemetry.counter('a_total', 'Help.', { x: '1', y: 'q"\n\\' }).add(2);
    telemetry.counter('a_total', 'Help.', { y: 'q"\n\\', x: '1' }).add(3);
    telemetry.observe('b', 'Two\nlines.', () => [{ labels: {}, value: 1.5 }]);
    const text = telemetry.render();
    assert.match(
      text,
      /^# HELP a_total Help\.\n# TYPE a_total counter\na_total\{x="1",y="q\\"\\n\\\\"\} 5\n/,
    );
    assert.match(text, /# HELP b Two\\nlines\.\n# TYPE b gauge\nb 1\.5\n$/);
  });

  it('keeps series apart whose labels only look alike when joined', () => {
    const telemetry = new SelfTelemetry();
    const one = telemetry.counter('a_total', '', { a: 'x","b":"y' });
    assert.notEqual(one, telemetry.counter('a_total', '', { a: 'x', b: 'y' }));
  });
});

describe('a log line', () => {
  it('is one line of JSON whatever is in it', () => {
    const text = 'a\r\nb\u001b[31m\u202e\u2028\u0085';
    const line = logLine('warn', text, { reason: new Error('why\n'), position: 12n });
    assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\u2028\u202e]/u);
    const record = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([record.level, record.msg, record.reason, record.position], [40, text, 'why\n', '12']);
  });
});
