// What begins after loading: not before the event loop turns, but for a collection that comes first.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ObservabilityContext } from '../../src/context/observability-context.ts';
import { afterLoading } from '../../src/metrics/after-loading.ts';
import { MeterProvider } from '../../src/metrics/meter-provider.ts';
import { MemorySink } from '../memory-sink.ts';
import { metricNamed, takeMetrics, valuesOf } from './collected.ts';

describe('what waits for the application to load', () => {
  it('begins once, when the event loop turns', async () => {
    const begun: string[] = [];
    afterLoading(() => begun.push('first'));
    afterLoading(() => begun.push('second'));
    await Promise.resolve();
    assert.deepEqual(begun, []);
    await turn();
    await turn();
    assert.deepEqual(begun, ['first', 'second']);
  });

  it('is there for a collection before that', () => {
    const sink = new MemorySink();
    const provider = new MeterProvider({ sink });
    afterLoading(() => {
      provider
        .getMeter('process')
        .createObservableCounter('uptime')
        .addCallback(result => result.observe(3));
    });
    provider.collectSync();
    assert.deepEqual(
      valuesOf(metricNamed(takeMetrics(sink), 'uptime')).map(([, value]) => Number(value)),
      [3],
    );
  });

  it('begins in nobody’s context, and what fails takes nothing along', () => {
    const provider = new MeterProvider({ sink: new MemorySink() });
    const tenant = ObservabilityContext.root.withLabels({ tenant: 'acme' });
    let seen: ObservabilityContext | undefined;
    tenant.run(() => {
      afterLoading(() => {
        throw new Error('not here');
      });
      afterLoading(() => {
        seen = ObservabilityContext.active();
      });
      provider.collectSync();
    });
    assert.equal(seen, ObservabilityContext.root);
  });
});
