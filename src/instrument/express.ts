// Route templates of Express 4 and 5: learnt as the application is put together, read from the request when it ends.
import type { IncomingMessage } from 'node:http';
import { onPackageLoad } from './module-hooks.ts';
import { setRouteReader } from './served-request.ts';

type Method = (this: object, ...args: unknown[]) => object;

/** What every router inherits: the prototype of `Router` in Express 5, `Router` itself in Express 4. */
interface RouterMethods {
  use: Method;
  route: Method;
}

/** What Express puts on a request. */
interface ExpressRequest extends IncomingMessage {
  /** The route that matched last. */
  readonly route?: { readonly path?: unknown; readonly stack?: unknown };
  /** The part of the path that the mounts before the route took, as the client wrote it. */
  readonly baseUrl?: string;
  readonly app?: { path?(): string };
}

interface Mount {
  readonly path: string;
  readonly parent: object;
}

/** Where each router is mounted; null when at several places. */
const mounts = new WeakMap<object, Mount | null>();
/** The router that each route belongs to. */
const owners = new WeakMap<object, object>();
/** What was found out of each route, for as long as no router is mounted. */
let templates = new WeakMap<object, string>();

/** Gives server spans of Express applications the template of their route; see `docs/instrumentation.md` for its limits. */
export function instrumentExpress(): void {
  setRouteReader(readExpressRoute);
  onPackageLoad('express', learnFrom);
}

/** Has the routers of this copy of Express tell where they are mounted and which routes they have. */
function learnFrom(exports: object): boolean {
  const { Router } = exports as { Router?: Partial<RouterMethods> & { prototype?: Partial<RouterMethods> } };
  const methods = typeof Router?.prototype?.use === 'function' ? Router.prototype : Router;
  if (typeof methods?.use !== 'function' || typeof methods.route !== 'function') return false;
  const { use, route } = methods;
  methods.use = function (...args) {
    const result = use.apply(this, args);
    learnMounts(this, args);
    return result;
  };
  methods.route = function (...args) {
    const created = route.apply(this, args);
    owners.set(created, this);
    return created;
  };
  return true;
}

function learnMounts(parent: object, args: readonly unknown[]): void {
  const handlers = args.flat(Number.POSITIVE_INFINITY);
  const path = typeof handlers[0] === 'function' ? '/' : pattern(args[0]);
  for (const handler of handlers) {
    const isRouter = typeof handler === 'function' && Array.isArray((handler as { stack?: unknown }).stack);
    if (!isRouter) continue;
    mounts.set(handler, mounts.has(handler) ? null : { path, parent });
    templates = new WeakMap();
  }
}

function readExpressRoute(request: ExpressRequest): string | undefined {
  const { route } = request;
  if (route === undefined) return undefined;
  const template = templates.get(route) ?? learnTemplate(route);
  if (template === undefined) return readPlainRoute(request);
  return join(request.app?.path?.() ?? '', template);
}

/** The template of a route below its application; undefined when it cannot be known. */
function learnTemplate(route: NonNullable<ExpressRequest['route']>): string | undefined {
  if (route.path === undefined || !Array.isArray(route.stack)) return undefined;
  const prefix = mountTemplate(owners.get(route));
  if (prefix === undefined) return undefined;
  const template = join(prefix, pattern(route.path));
  templates.set(route, template);
  return template;
}

/** Where a router is mounted at several places: the place as the client wrote it. */
function readPlainRoute({ route, baseUrl = '' }: ExpressRequest): string | undefined {
  if (route?.path === undefined || !Array.isArray(route.stack)) return undefined;
  return join(baseUrl, pattern(route.path));
}

/** The templates of all mounts down to the router; undefined when they cannot be known. */
function mountTemplate(router: object | undefined): string | undefined {
  if (router === undefined) return undefined;
  let template = '';
  let mount = mounts.get(router);
  while (mount) {
    template = join(mount.path, template);
    mount = mounts.get(mount.parent);
  }
  return mount === null ? undefined : template;
}

/** A path as it was declared: a string as it is, an expression by its source, several of them separated by commas. */
function pattern(path: unknown): string {
  return Array.isArray(path) ? path.map(String).join(',') : String(path);
}

function join(base: string, path: string): string {
  if (base === '' || base === '/') return path;
  return path === '' || path === '/' ? base : base + path;
}
