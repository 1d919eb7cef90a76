// The doctor at the collector's door: every way in which it may be closed, and one span through an open one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { judgeCollector } from '../../src/doctor/collector.ts';
import type { Destination } from '../../src/doctor/exchange.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { attributesOf, hex } from '../decoded-records.ts';
import { certificate } from '../instrument/certificate.ts';
import { arrivedAt } from '../register/arrived.ts';
import { TestCollector, type TestCollectorOptions } from '../transport/test-collector.ts';
import { transportOptions } from '../transport/transport-options.ts';

const TIMEOUT_MS = 2000;

async function collectorFor(t: TestContext, options: TestCollectorOptions = {}): Promise<TestCollector> {
  const collector = await TestCollector.start(options);
  t.after(() => collector.stop());
  return collector;
}

async function listening(t: TestContext, server: Server | TlsServer, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  t.after(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const judged = (endpoint: string, changes: Partial<Destination> = {}): Promise<Finding[]> =>
  judgeCollector(transportOptions(endpoint, { thread: false, timeoutMs: TIMEOUT_MS, ...changes }));

const steps = (findings: readonly Finding[]): string[] => findings.map(({ subject }) => subject);

/** All is well until the last finding, which is a problem with this step, this text and this advice. */
function assertProblem(findings: readonly Finding[], step: string, text: RegExp, advice: RegExp): void {
  const last = findings.at(-1)!;
  assert.deepEqual([last.level, last.subject], ['problem', step], JSON.stringify(findings));
  assert.match(last.text, text);
  assert.match(last.advice!, advice);
  assert.ok(findings.slice(0, -1).every(({ level }) => level === 'ok'));
}

describe('a collector that is as it should be', () => {
  it('speaks the stream, and has the test span, which is marked', async t => {
    const collector = await collectorFor(t);
    const findings = await judged(collector.url);
    assert.deepEqual(steps(findings), ['connection', 'protocol', 'delivery']);
    assert.ok(findings.every(({ level }) => level === 'ok'));
    assert.match(findings[1]!.text, /speaks the stream; a round trip takes [\d.]+ ms$/);
    const [span] = arrivedAt(collector).spans;
    assert.deepEqual([span!.name, attributesOf(span!)['tricord.doctor']], ['tricord doctor', true]);
    assert.ok(findings[2]!.text.includes(hex(span!.traceId)), findings[2]!.text);
  });

  it('speaks plain OTLP/gRPC', async t => {
    const collector = await collectorFor(t, { stream: false });
    const findings = await judged(collector.url);
    assert.match(findings[1]!.text, /plain OTLP\/gRPC, not the stream/);
    assert.deepEqual(steps(findings), ['connection', 'protocol', 'delivery']);
    assert.ok(findings.every(({ level }) => level === 'ok'));
  });

  it('speaks OTLP/HTTP', async t => {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(request.url!);
      request.resume().on('end', () => response.end());
    });
    const findings = await judged(`http://127.0.0.1:${await listening(t, server)}`, {
      protocol: 'http/protobuf',
    });
    assert.match(findings[1]!.text, /speaks OTLP\/HTTP; a round trip takes/);
    assert.deepEqual(requests, ['/v1/traces', '/v1/traces']);
    assert.equal(findings.at(-1)!.subject, 'delivery');
  });

  it('has a certificate that is trusted', async t => {
    const credentials = grpc.ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(certificate.key), cert_chain: Buffer.from(certificate.cert) },
    ]);
    const collector = await collectorFor(t, { credentials });
    const findings = await judged(`https://localhost:${collector.port}`, { certificate: certificate.cert });
    assert.deepEqual(steps(findings), ['name', 'connection', 'tls', 'protocol', 'delivery']);
    assert.match(
      findings[2]!.text,
      /^the certificate is for DNS:localhost, IP Address:127\.0\.0\.1, trusted, and valid until/,
    );
    assert.ok(
      findings.every(({ level }) => level === 'ok'),
      JSON.stringify(findings),
    );
  });
});

describe('the way to the collector', () => {
  it('has a name that cannot be resolved', async () => {
    const findings = await judged(`http://${'a'.repeat(64)}.test:4317`);
    assertProblem(findings, 'name', /cannot be resolved \(E\w+\)/, /OTEL_EXPORTER_OTLP_ENDPOINT/);
  });

  it('ends where nothing listens', async t => {
    const collector = await collectorFor(t);
    collector.stop();
    const findings = await judged(collector.url);
    assertProblem(
      findings,
      'connection',
      /nothing answers at 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/,
      /start the collector/,
    );
  });

  it('ends at a port that says nothing', async t => {
    const server = createTcpServer(socket => void socket.resume().on('error', () => {}));
    const port = await listening(t, server);
    const findings = await judged(`http://127.0.0.1:${port}`, { timeoutMs: 200 });
    assertProblem(findings, 'protocol', /does not speak OTLP\/gRPC/, /see whether a collector listens there/);
  });

  it('leads to the HTTP port by gRPC', async t => {
    const server = createServer((request, response) => void request.resume().on('end', () => response.end()));
    const findings = await judged(`http://127.0.0.1:${await listening(t, server)}`);
    assertProblem(
      findings,
      'protocol',
      /speaks OTLP\/HTTP, not OTLP\/gRPC/,
      /PROTOCOL=http\/protobuf, or the gRPC port/,
    );
  });

  it('leads to some web server', async t => {
    const server = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(404).end());
    });
    const port = await listening(t, server);
    assertProblem(await judged(`http://127.0.0.1:${port}`), 'protocol', /HTTP\/1, and no OTLP/, /gRPC port/);
    const http = await judged(`http://127.0.0.1:${port}`, { protocol: 'http/protobuf' });
    assertProblem(
      http,
      'protocol',
      /does not take OTLP\/HTTP: .*404/,
      /OTLP\/HTTP port, without \/v1\/traces/,
    );
  });

  it('leads to the gRPC port by HTTP', async t => {
    const collector = await collectorFor(t);
    const findings = await judged(collector.url, { protocol: 'http/protobuf' });
    assertProblem(
      findings,
      'protocol',
      /speaks OTLP\/gRPC, not OTLP\/HTTP/,
      /PROTOCOL=grpc, or the HTTP port/,
    );
  });

  it('is barred without credentials', async t => {
    const collector = await collectorFor(t, {
      onHello: call => call.end(grpc.status.UNAUTHENTICATED, 'no token'),
    });
    assertProblem(
      await judged(collector.url),
      'protocol',
      /denies access: no token/,
      /OTEL_EXPORTER_OTLP_HEADERS/,
    );
    const server = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(401).end());
    });
    const http = await judged(`http://127.0.0.1:${await listening(t, server)}`, {
      protocol: 'http/protobuf',
    });
    assertProblem(http, 'protocol', /denies access: .*401/, /OTEL_EXPORTER_OTLP_HEADERS/);
  });

  it('is open, but what is sent is not acknowledged, or is rejected', async t => {
    const silent = await collectorFor(t, { onBatch: () => {} });
    const findings = await judged(silent.url, { timeoutMs: 300 });
    assertProblem(findings, 'delivery', /was not acknowledged within 300 ms/, /log/);
    const rejecting = await collectorFor(t, {
      onBatch: (call, { sequence }) =>
        call.send({ rejected: [{ sequence, reason: 'too old' }], ackedSequence: sequence }),
    });
    assertProblem(await judged(rejecting.url), 'delivery', /was rejected: .*too old/, /log/);
  });
});

describe('TLS on the way to the collector', () => {
  const secure = async (t: TestContext, host?: string): Promise<number> => {
    const server = createTlsServer(certificate, (request, response) => {
      request.resume().on('end', () => response.end());
    });
    return listening(t, server, host);
  };

  it('is for other names', async t => {
    const port = await secure(t, '127.0.0.2');
    const findings = await judged(`https://127.0.0.2:${port}`, { certificate: certificate.cert });
    assertProblem(
      findings,
      'tls',
      /is for DNS:localhost, IP Address:127\.0\.0\.1, and not for 127\.0\.0\.2/,
      /one of its names/,
    );
  });

  it('is by an authority that is not trusted', async t => {
    const findings = await judged(`https://127.0.0.1:${await secure(t)}`);
    assertProblem(
      findings,
      'tls',
      /is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
      /OTEL_EXPORTER_OTLP_CERTIFICATE/,
    );
  });

  it('is spoken where plain text is expected, and the reverse', async t => {
    const port = await secure(t);
    for (const protocol of ['grpc', 'http/protobuf'] as const)
      assertProblem(
        await judged(`http://127.0.0.1:${port}`, { protocol }),
        'protocol',
        /speaks TLS/,
        /https:\/\//,
      );
    const collector = await collectorFor(t);
    assertProblem(
      await judged(`https://127.0.0.1:${collector.port}`),
      'tls',
      /speaks plain text, not TLS/,
      /http:\/\//,
    );
  });

  it('asks for a certificate of the client', async t => {
    const options = { ...certificate, requestCert: true, rejectUnauthorized: true, ca: certificate.cert };
    const port = await listening(
      t,
      createTlsServer(options, (_, response) => response.end()),
    );
    const trusting = { certificate: certificate.cert, protocol: 'http/protobuf' } as const;
    const findings = await judged(`https://127.0.0.1:${port}`, trusting);
    assert.equal(findings.at(-1)!.level, 'problem');
    assert.match(findings.at(-1)!.advice!, /OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE/, findings.at(-1)!.text);
    const client = { clientCertificate: certificate.cert, clientKey: certificate.key };
    const admitted = await judged(`https://127.0.0.1:${port}`, { ...trusting, ...client });
    assert.ok(
      admitted.every(({ level }) => level === 'ok'),
      JSON.stringify(admitted),
    );
    const pair = { private_key: Buffer.from(certificate.key), cert_chain: Buffer.from(certificate.cert) };
    const credentials = grpc.ServerCredentials.createSsl(Buffer.from(certificate.cert), [pair], true);
    const collector = await collectorFor(t, { credentials });
    const url = `https://127.0.0.1:${collector.port}`;
    const overGrpc = await judged(url, { certificate: certificate.cert });
    assert.match(overGrpc.at(-1)!.advice!, /OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE/, overGrpc.at(-1)!.text);
    const known = await judged(url, { certificate: certificate.cert, ...client });
    assert.equal(known.at(-1)!.subject, 'delivery', JSON.stringify(known));
  });
});
