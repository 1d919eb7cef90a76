// The service that `http`, `startup` and `memory` observe: one small application on Express, Fastify or bare node:http.
// It is CommonJS so that every agent can hook into it by `--require`, which is what they all do best.
const { framework } = JSON.parse(process.argv[2]);
const { pino } = require('pino');
const { Counter, Histogram } = require('prom-client');

const log = pino();
const labelNames = ['method', 'route', 'status'];
const requests = new Counter({ name: 'shop_requests_total', help: 'Requests.', labelNames });
const seconds = new Histogram({ name: 'shop_request_seconds', help: 'Duration of requests.', labelNames });
const products = new Map(
  Array.from({ length: 100 }, (_, id) => [
    String(id),
    { id, name: `Product ${id}`, price: { amount: 1000 + id, currency: 'EUR' }, stock: id % 7 },
  ]),
);

/** What the route does in every framework. */
function product(id) {
  const found = products.get(id);
  log.info({ product: id, stock: found.stock }, 'product looked up');
  return found;
}

/** What the middleware does in every framework, when the response is finished. */
function measure(method, status, startedMs) {
  const labels = { method, route: '/products/:id', status };
  requests.inc(labels);
  seconds.observe(labels, (performance.now() - startedMs) / 1000);
}

/** Each listens on a free port of the loopback and calls back with the node:http server. */
const frameworks = {
  express(listening) {
    const express = require('express');
    const app = express();
    app.use((request, response, next) => {
      const startedMs = performance.now();
      response.on('finish', () => measure(request.method, response.statusCode, startedMs));
      next();
    });
    app.get('/products/:id', (request, response) => {
      response.json(product(request.params.id));
    });
    const server = app.listen(0, '127.0.0.1', () => listening(server));
  },
  fastify(listening) {
    const app = require('fastify')();
    app.addHook('onRequest', (request, _reply, done) => {
      request.raw.startedMs = performance.now();
      done();
    });
    app.addHook('onResponse', (request, reply, done) => {
      measure(request.method, reply.statusCode, request.raw.startedMs);
      done();
    });
    app.get('/products/:id', (request, reply) => {
      reply.send(product(request.params.id));
    });
    app.listen({ port: 0, host: '127.0.0.1' }, () => listening(app.server));
  },
  bare(listening) {
    const server = require('node:http').createServer((request, response) => {
      const startedMs = performance.now();
      response.on('finish', () => measure(request.method, response.statusCode, startedMs));
      const body = JSON.stringify(product(request.url.slice('/products/'.length)));
      response.setHeader('content-type', 'application/json; charset=utf-8');
      response.setHeader('content-length', Buffer.byteLength(body));
      response.end(body);
    });
    server.listen(0, '127.0.0.1', () => listening(server));
  },
};

/** CPU time of the process with all its threads, and of this thread, since the start. */
function usage() {
  const all = process.cpuUsage();
  const main = process.threadCpuUsage();
  return {
    processMicros: all.user + all.system,
    mainMicros: main.user + main.system,
    rssBytes: process.memoryUsage.rss(),
  };
}

frameworks[framework](server => {
  process.send(['listening', { port: server.address().port, sinceStartMs: performance.now() }]);
  process.on('message', () => process.send(['usage', usage()]));
  process.once('SIGTERM', () => process.exit());
});
