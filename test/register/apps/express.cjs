// A CommonJS application on Express that asks itself once, with pino and prom-client.
const http = require('node:http');
const express = require('express');
const pino = require('pino');
const { register, Counter } = require('prom-client');

const log = pino({ base: null, timestamp: false });
const visits = new Counter({ name: 'visits', help: 'Visits', registers: [register] });
const app = express();
app.get('/users/:id', (request, response) => {
  visits.inc();
  log.info({ id: request.params.id }, 'asked');
  response.send('user');
});
const server = app.listen(0, '127.0.0.1', () => {
  http.get({ port: server.address().port, path: '/users/7', agent: false }, response => {
    response.resume().on('end', () => server.close());
  });
});
