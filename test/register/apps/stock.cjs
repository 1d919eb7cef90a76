// An application that uses a library which only a stock OpenTelemetry instrumentation observes, and asks itself once.
const http = require('node:http');
const { createPool } = require('generic-pool');

const pool = createPool({ create: async () => ({}), destroy: async () => {} }, { max: 1 });
const server = http
  .createServer(async (_request, response) => {
    await pool.use(async () => {});
    response.end('pooled');
  })
  .listen(0, '127.0.0.1', () => {
    http.get({ port: server.address().port, agent: false }, response => {
      response.resume().on('end', async () => {
        server.close();
        await pool.drain();
        await pool.clear();
      });
    });
  });
