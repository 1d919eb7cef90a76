// Route templates of @koa/router and the errors of Koa 2 and 3: read from the context that Koa makes for each request.
import type { IncomingMessage } from 'node:http';
import { onPackageLoad } from './module-hooks.ts';
import { setRequestError, setRoute } from './served-request.ts';

/** What @koa/router and koa-router put on a context. */
interface KoaContext {
  readonly req: IncomingMessage;
  /** The path of the layer that ran last: of a route, or of a middleware of the router that did not go on. */
  readonly _matchedRoute?: unknown;
  /** All layers of which the path matches; those of middlewares have no methods. */
  readonly matched?: readonly { readonly path: unknown; readonly methods: readonly string[] }[];
}

/** What an application inherits. */
interface ApplicationMethods {
  createContext(this: object, request: IncomingMessage, response: unknown): KoaContext;
}

/** What every context inherits. */
interface ContextMethods {
  onerror(this: KoaContext, error: unknown): void;
}

/** Gives server spans of Koa applications the template of their route, and the error that a 5xx came from. */
export function instrumentKoa(): void {
  onPackageLoad('koa', learnFrom);
}

/** Koa's own modules: the class of applications is the main one, the methods of contexts are another. */
function learnFrom(exports: object): boolean {
  const { prototype } = exports as { prototype?: Partial<ApplicationMethods> };
  if (typeof prototype?.createContext === 'function') {
    keepContexts(prototype as ApplicationMethods);
    return true;
  }
  const methods = exports as Partial<ContextMethods>;
  if (typeof exports === 'function' || typeof methods.onerror !== 'function') return false;
  tellErrors(methods as ContextMethods);
  return true;
}

function keepContexts(application: ApplicationMethods): void {
  const { createContext } = application;
  application.createContext = function (request, response) {
    const context = createContext.call(this, request, response);
    setRoute(request, () => readKoaRoute(context));
    return context;
  };
}

/** Koa ends here what no middleware has caught. */
function tellErrors(context: ContextMethods): void {
  const { onerror } = context;
  context.onerror = function (error) {
    if (error != null) setRequestError(this.req, error);
    onerror.call(this, error);
  };
}

/** The route that ran last, or that would have run next when a middleware of the router did not let it. */
function readKoaRoute({ req, _matchedRoute: last, matched }: KoaContext): string | undefined {
  if (last === undefined || matched === undefined) return undefined;
  const routes = matched.filter(({ methods }) => methods.includes(req.method ?? ''));
  const route = routes.find(({ path }) => path === last) ?? routes[0];
  return route === undefined ? undefined : String(route.path);
}
