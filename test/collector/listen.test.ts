// A port that is taken, for each listener: the address, the key, and nothing left behind.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { StartError } from '../../collector/listen.ts';
import { captureAll, startCollector } from './running-collector.ts';

const listeners = [
  ['receivers.otlp.protocols.grpc.endpoint', 'grpc: { endpoint: 127.0.0.1:0 }', 'grpc'],
  ['receivers.otlp.protocols.http.endpoint', 'http: { endpoint: 127.0.0.1:0 }', 'http'],
  ['service.web.endpoint', 'web: { endpoint: 127.0.0.1:0 }', 'web'],
] as const;

describe('a listener', () => {
  for (const [key, line, name] of listeners) {
    it(`names ${key} and its address when the port is in use`, async () => {
      const taken = createServer();
      taken.listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
      const error = await startCollector(captureAll.replace(line, `${name}: { endpoint: ${address} }`)).then(
        () => assert.fail('it started'),
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof StartError);
      assert.ok(error.message.startsWith(`${address} (${key}) is in use by another process`), error.message);
      taken.close();
    });
  }

  it('names an address that is not of this machine', async () => {
    const yaml = captureAll.replace('http: { endpoint: 127.0.0.1:0 }', 'http: { endpoint: 192.0.2.1:4318 }');
    await assert.rejects(startCollector(yaml), /192\.0\.2\.1:4318 \(.*\) is no address of this machine/);
  });
});
