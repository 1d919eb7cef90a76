// OpenTelemetry's getters and setters where they are at work: a propagator of an application's under the HTTP instrumentation.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import { context, createContextKey, propagation, type TextMapPropagator, trace } from '@opentelemetry/api';
import { ContextManager } from '../../../src/context/context-manager.ts';
import { instrumentHttpClient } from '../../../src/instrument/http-client.ts';
import { instrumentHttpServer } from '../../../src/instrument/http-server.ts';
import { instrumentUndici } from '../../../src/instrument/undici.ts';
import { rule } from '../rule.ts';
import { recorder } from './recorder.ts';

const FIELD = 'X-Caller-Mood';
const key = createContextKey('mood');
const propagator: TextMapPropagator = {
  fields: () => [FIELD],
  inject: (from, carrier, setter) => setter.set(carrier, FIELD, String(from.getValue(key))),
  extract: (from, carrier, getter) => from.setValue(key, getter.get(carrier, FIELD)),
};

context.setGlobalContextManager(new ContextManager());
propagation.setGlobalPropagator(propagator);
trace.setGlobalTracerProvider(recorder().provider);
instrumentHttpServer();
instrumentHttpClient();
instrumentUndici();

/** What each request was handed, and what the context of its handler then says. */
const seen: { readonly headers: readonly string[]; readonly mood: unknown }[] = [];
const server = createServer((request, response) => {
  seen.push({ headers: request.rawHeaders, mood: context.active().getValue(key) });
  response.end();
});
await once(server.listen(0, '127.0.0.1'), 'listening');
after(() => {
  server.close();
  server.closeAllConnections();
});
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

async function call(mood: string): Promise<void> {
  await context.with(context.active().setValue(key, mood), async () => {
    const [response] = (await once(get(url), 'response')) as [IncomingMessage];
    await response.resume().toArray();
    await (await fetch(url)).text();
  });
}

rule('context/api-propagators § Set', 'a field keeps the casing that its propagator gives it', async () => {
  seen.length = 0;
  await call('fine');
  assert.equal(seen.length, 2);
  for (const { headers } of seen) assert.equal(headers[headers.indexOf(FIELD) + 1], 'fine');
});

rule(
  'context/api-propagators § Get',
  'a propagator of an application’s finds its header in any case',
  async () => {
    seen.length = 0;
    await call('gloomy');
    assert.deepEqual(
      seen.map(({ mood }) => mood),
      ['gloomy', 'gloomy'],
    );
  },
);
