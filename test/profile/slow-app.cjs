// Answers requests that work, wait or are quick, as their paths say; asks itself for those of the command line, and flushes.
const http = require('node:http');
const { setTimeout: wait } = require('node:timers/promises');
const { trace } = require('@opentelemetry/api');

const MS = 400;

function burnProcessorTime() {
  const end = performance.now() + MS;
  let length = 0;
  while (performance.now() < end) length += JSON.stringify({ length }).length;
  return length;
}

const answers = { '/work': burnProcessorTime, '/wait': () => wait(MS), '/quick': () => {} };

const server = http.createServer(async (request, response) => {
  await answers[request.url]();
  response.end('done');
});

const ask = path =>
  new Promise(resolve => {
    http.get({ port: server.address().port, path, agent: false }, response => {
      response.resume().on('end', resolve);
    });
  });

server.listen(0, '127.0.0.1', async () => {
  for (const path of process.argv.slice(2)) await ask(path);
  await wait(50);
  await trace.getTracerProvider().getDelegate().forceFlush();
  const loaded = Object.keys(require.cache).some(file => file.includes('slow-profiler'));
  process.stdout.write(`${loaded}\n`);
  server.close();
});
