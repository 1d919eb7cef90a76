// The scenario `wal`: which disk it finds, what its workloads report, and that a receiver counts what it was sent.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Arrivals } from '../../bench/children/counting-receiver.ts';
import type { LoadSettings } from '../../bench/children/otlp-load.ts';
import type { PlainSettings } from '../../bench/children/plain-writer.ts';
import type { QueueSettings } from '../../bench/children/queue-appender.ts';
import { exportRequest } from '../../bench/children/stream-request.ts';
import { benchDisk, fileSystemOf, withFolder } from '../../bench/disk.ts';
import type { Figures } from '../../bench/scenario.ts';
import { quantile } from '../../bench/statistics.ts';
import { figuresOf, Workload } from '../../bench/workload.ts';

/** Without a build. */
const execArgv = ['--conditions=source'];
const BYTES = 16 * 1024;
const request = exportRequest(BYTES);

const folder = await mkdtemp(join(tmpdir(), 'tricord-wal-bench-'));
after(() => rm(folder, { recursive: true }));

/** A workload of the disk, given as many turns as it takes, of a millisecond each: at least one batch. */
async function inTurns(entry: string, settings: object, slices: number): Promise<Figures> {
  const workload = new Workload({ entry, settings: { ...settings, slices }, execArgv });
  try {
    await workload.next('ready');
    for (let slice = 0; slice < slices; slice++) {
      workload.send('turn', 1);
      await workload.next('turned');
    }
    const figures = await workload.next<Figures>('figures');
    await workload.ended();
    return figures;
  } finally {
    await workload.kill();
  }
}

function isMeasured({ mbPerSecond, itemsPerSecond, p50Ms, p99Ms }: Figures): void {
  assert.ok(mbPerSecond! > 0);
  assert.ok(p50Ms! > 0 && p99Ms! >= p50Ms!);
  const spanBytes = (mbPerSecond! * 1e6) / itemsPerSecond!;
  assert.ok(Math.abs(spanBytes - request.bytes.length / request.items) < 1);
}

describe('the disk of a benchmark', () => {
  const mounts = [
    'overlay / overlay rw 0 0',
    'tmpfs /tmp tmpfs rw 0 0',
    '/dev/sdb /mnt/two\\040words xfs rw 0 0',
    'tmpfs /data tmpfs rw 0 0',
    '/dev/sda /data ext4 rw 0 0',
    '',
  ].join('\n');

  it('is of the nearest mount, and of two at one place of the later one', () => {
    assert.equal(fileSystemOf('/home/one', mounts), 'overlay');
    assert.equal(fileSystemOf('/tmp', mounts), 'tmpfs');
    assert.equal(fileSystemOf('/tmp/one', mounts), 'tmpfs');
    assert.equal(fileSystemOf('/tmporary', mounts), 'overlay');
    assert.equal(fileSystemOf('/mnt/two words/one', mounts), 'xfs');
    assert.equal(fileSystemOf('/data/one', mounts), 'ext4');
    assert.equal(fileSystemOf('/home/one', ''), 'unknown');
  });

  it('leaves no folder behind, whatever comes of its use', async () => {
    const disk = { ...benchDisk(), folder };
    let used = '';
    const failing = withFolder(disk, async path => {
      used = path;
      throw new Error('it fell over');
    });
    await assert.rejects(failing, /it fell over/);
    assert.notEqual(used, '');
    await assert.rejects(stat(used), { code: 'ENOENT' });
  });
});

describe('a quantile', () => {
  it('is a value that was there, and nothing of none', () => {
    assert.equal(quantile([3, 1, 2, 4], 0.5), 3);
    assert.equal(quantile([3, 1, 2, 4], 0.99), 4);
    assert.equal(quantile([7], 1), 7);
    assert.ok(Number.isNaN(quantile([], 0.5)));
  });
});

describe('the workloads of wal', () => {
  it('write whole batches in a plain loop, blocking or not, and leave the warm-up out', async () => {
    for (const blocking of [true, false]) {
      const place = await mkdtemp(join(folder, 'plain-'));
      const settings: Omit<PlainSettings, 'slices'> = { folder: place, bytes: BYTES, blocking };
      isMeasured(await inTurns('children/plain-writer.ts', settings, 2));
      const { size } = await stat(join(place, 'plain'));
      assert.equal(size % request.bytes.length, 0);
      assert.ok(size >= 2 * request.bytes.length);
    }
  });

  it('append to the real queue, whose reader gets every batch', async () => {
    const place = await mkdtemp(join(folder, 'queue-'));
    const settings: Omit<QueueSettings, 'slices'> = {
      ...{ folder: place, bytes: BYTES },
      ...{ producers: 3, fsync: 'always' },
    };
    const figures = await inTurns('children/queue-appender.ts', settings, 2);
    isMeasured(figures);
    assert.ok(figures.appended! >= 6, `${figures.appended} batches`);
    assert.equal(figures.read, figures.appended);
    assert.ok((await readdir(join(place, 'wal'))).some(name => name.endsWith('.wal')));
  });

  it('count at the receiver what the clients had acknowledged', async () => {
    const receiver = new Workload({ entry: 'children/counting-receiver.ts', execArgv });
    try {
      const port = await receiver.next<number>('listening');
      const settings: LoadSettings = {
        ...{ endpoint: `http://127.0.0.1:${port}`, bytes: BYTES, clients: 2, calls: 2 },
        ...{ warmUpSeconds: 0.001, seconds: 0.001 },
      };
      const figures = await figuresOf({ entry: 'children/otlp-load.ts', settings, execArgv });
      isMeasured(figures);
      assert.ok(figures.sent! >= 8 * request.items, `${figures.sent} spans`);
      receiver.send('await', figures.sent);
      assert.equal((await receiver.next<Arrivals>('arrived')).spans, figures.sent);
    } finally {
      await receiver.kill();
    }
  });
});
