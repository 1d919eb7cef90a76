// Asks a server of this process, and gives the span that it left.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SeenSpan, Telemetry } from './telemetry.ts';

/** The span of one request; what was seen before it is forgotten, and so is the span afterwards. */
export async function spanOf(
  telemetry: Telemetry,
  server: Server,
  path: string,
  init: RequestInit = {},
): Promise<SeenSpan> {
  telemetry.clear();
  const { port } = server.address() as AddressInfo;
  await (await fetch(`http://127.0.0.1:${port}${path}`, init)).text();
  const [span] = await telemetry.until(1);
  telemetry.clear();
  return span!;
}

/** Name, route and status code. */
export function routeOf(span: SeenSpan): unknown[] {
  return [span.name, span.attributes['http.route'], span.attributes['http.response.status_code']];
}

/** The messages of the exceptions on it. */
export function exceptionsOf(span: SeenSpan): unknown[] {
  return span.span.events.map(
    ({ attributes }) => attributes.find(({ key }) => key === 'exception.message')?.value,
  );
}
