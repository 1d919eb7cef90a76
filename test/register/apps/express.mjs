// An ES module application on Express that asks itself once, with pino and prom-client.
import http from 'node:http';
import express from 'express';
import { pino } from 'pino';
import { Counter, register } from 'prom-client';

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
