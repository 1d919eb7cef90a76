// What frameworks tell about a request that is being served, over HTTP/1 or HTTP/2: its route, and the error behind a 5xx.
import type { IncomingMessage } from 'node:http';

/** A route's template, or who knows it when the response has ended. */
type Route = string | (() => string | undefined);

/** What is kept for a request until it ends. */
export interface ServedCall {
  route: Route | undefined;
  error: unknown;
}

type CallFinder = (request: IncomingMessage) => ServedCall | undefined;
type RouteReader = (request: IncomingMessage) => string | undefined;

const finders: CallFinder[] = [];
let readRoute: RouteReader = () => undefined;

/** Has `find` asked for requests under way: each server finds its own. */
export function addServedCalls(find: CallFinder): void {
  finders.push(find);
}

/** Asks `reader` at the end of each request of HTTP/1 for its route, unless {@link setRoute} has told it. */
export function setRouteReader(reader: RouteReader): void {
  readRoute = reader;
}

/** Tells the route template of a request under way. */
export function setRoute(request: IncomingMessage, route: Route): void {
  const call = callOf(request);
  if (call !== undefined) call.route = route;
}

/** Tells what a request under way failed with; it goes onto the span when the response is a 5xx. */
export function setRequestError(request: IncomingMessage, error: unknown): void {
  const call = callOf(request);
  if (call !== undefined) call.error = error;
}

/** The route as it is known in the end. */
export function routeOf({ route }: ServedCall, request: IncomingMessage | undefined): string | undefined {
  if (typeof route === 'function') return route();
  return route ?? (request === undefined ? undefined : readRoute(request));
}

/** Undefined when the request is not under way. */
function callOf(request: IncomingMessage): ServedCall | undefined {
  for (const find of finders) {
    const call = find(request);
    if (call !== undefined) return call;
  }
  return undefined;
}
