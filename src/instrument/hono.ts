// Route templates and errors of Hono 4 on Node: handlers tell which route they belong to as they run.
import type { IncomingMessage } from 'node:http';
import { requireDependency } from './es-packages.ts';
import { onPackageLoad } from './module-hooks.ts';
import { setRequestError, setRoute } from './served-request.ts';

const METHOD_ALL = 'ALL';
/** Where Hono keeps a handler of an application with error handling of its own that is a part of another application. */
const COMPOSED_HANDLER = '__COMPOSED_HANDLER';

interface Route {
  /** The whole path, mounts included. */
  readonly path: string;
  readonly method: string;
  readonly handler: Handler;
}

interface HonoContext {
  /** What `@hono/node-server` gives. */
  readonly env?: { readonly incoming?: IncomingMessage };
  /** The last error that a handler threw and `onError` has dealt with. */
  readonly error?: unknown;
  readonly req: { readonly routeIndex: number; readonly matchedRoutes?: readonly Route[] };
}

interface Handler {
  (context: HonoContext, next: unknown): unknown;
  readonly [COMPOSED_HANDLER]?: Handler;
}

/** What the router of Hono's applications inherits. */
interface RouterMethods {
  add(this: object, method: string, path: string, handler: unknown): void;
}

/** Several modules export the same router. */
const learnt = new WeakSet<RouterMethods>();

/** Gives server spans of Hono applications the template of their route, and the error that a 5xx came from. */
export function instrumentHono(): void {
  onPackageLoad('hono', learnFrom);
  const router = requireDependency('hono', './router/smart-router');
  if (router !== undefined) learnFrom(router);
}

function learnFrom(exports: object): boolean {
  const { SmartRouter } = exports as { SmartRouter?: { prototype: RouterMethods } };
  if (typeof SmartRouter?.prototype.add !== 'function') return false;
  if (learnt.has(SmartRouter.prototype)) return true;
  learnt.add(SmartRouter.prototype);
  const { add } = SmartRouter.prototype;
  SmartRouter.prototype.add = function (method, path, handler) {
    add.call(this, method, path, isRouted(handler) ? observed(handler) : handler);
  };
  return true;
}

/** What an application gives its router for a route. */
type Routed = readonly [handler: Handler, route: Route];

function isRouted(handler: unknown): handler is Routed {
  if (!Array.isArray(handler) || typeof handler[0] !== 'function') return false;
  const route = handler[1] as Partial<Route> | undefined;
  return typeof route?.path === 'string' && typeof route.handler === 'function';
}

function observed([handler, route]: Routed): Routed {
  const isLast = !isMiddleware(route);
  const observe: Handler = (context, next) => {
    const request = context.env?.incoming;
    if (request === undefined) return handler(context, next);
    if (isLast) setRoute(request, route.path);
    else if (context.req.routeIndex === 0) tellRouteAhead(context, request);
    try {
      const result = handler(context, next);
      if (result instanceof Promise) tellError(result, context, request);
      return result;
    } catch (error) {
      setRequestError(request, error);
      throw error;
    }
  };
  return [observe, route];
}

/** As Hono tells them apart: what was given to `use`, and takes `next`. */
function isMiddleware({ method, handler }: Route): boolean {
  let inner = handler;
  while (inner[COMPOSED_HANDLER] !== undefined) inner = inner[COMPOSED_HANDLER];
  return method === METHOD_ALL && inner.length > 1;
}

/** The route that a middleware may yet turn the request away from. */
function tellRouteAhead({ req }: HonoContext, request: IncomingMessage): void {
  const route = req.matchedRoutes?.find(each => !isMiddleware(each));
  if (route !== undefined) setRoute(request, route.path);
}

function tellError(result: Promise<unknown>, context: HonoContext, request: IncomingMessage): void {
  result.then(
    () => {
      if (context.error !== undefined) setRequestError(request, context.error);
    },
    error => setRequestError(request, error),
  );
}
