// A small application that asks itself once, writes to both of its outputs, and ends with a code of its own.
const http = require('node:http');

const server = http.createServer((request, response) => {
  response.statusCode = 201;
  response.end(`order ${request.url}`);
});
server.listen(0, '127.0.0.1', () => {
  http.get({ port: server.address().port, path: '/7', agent: false }, response => {
    response.setEncoding('utf8').on('data', text => process.stdout.write(`${response.statusCode} ${text}\n`));
    response.on('end', () => {
      process.stderr.write('one line of its own\n');
      process.exitCode = 7;
      server.close();
    });
  });
});
