// An application under the agent: it calls the URLs that the body of a request names, and answers when they have answered.
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** Every other call is made with `fetch`, which has another client below it. */
async function call(url: string, index: number): Promise<void> {
  if (index % 2 === 1) {
    await (await fetch(url)).text();
    return;
  }
  const [response] = (await once(get(url), 'response')) as [IncomingMessage];
  await text(response);
}

const server = createServer(async (request, response) => {
  const urls = JSON.parse(await text(request)) as string[];
  try {
    await Promise.all(urls.map(call));
    response.end();
  } catch (error) {
    response.writeHead(502).end(String(error));
  }
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
// Whoever started it closes its input.
process.stdin.resume().on('end', () => process.exit());
