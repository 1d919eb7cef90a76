// Routes of the web port: what a handler gets and gives, and which handler a path belongs to.
import type { IncomingHttpHeaders } from 'node:http';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** The names behind `:` in a path pattern: `'/a/:x/b/:y'` has `'x' | 'y'`. */
type ParamNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

export interface WebRequest<Names extends string = string> {
  readonly method: string;
  /** Percent-decoded. */
  readonly path: string;
  /** What stood in the place of each `:name`, percent-decoded, never empty. */
  readonly params: Readonly<Record<Names, string>>;
  /** The query string; fields of an `application/x-www-form-urlencoded` body are appended to it. */
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Empty when there was none. */
  readonly body: Uint8Array;
  /** Aborts when the client goes away before the answer is complete. */
  readonly signal: AbortSignal;
}

export interface WebResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

export interface Route {
  readonly methods: readonly Method[];
  /** Literal segments and `:name` ones; a `:name` matches one segment. */
  readonly path: string;
  readonly handler: Handler;
}

type Handler<Names extends string = string> = (
  request: WebRequest<Names>,
) => WebResponse | Promise<WebResponse>;

/** One route, with `params` typed by the names in its path. GET answers HEAD as well. */
export function route<const Path extends string>(
  methods: readonly Method[],
  path: Path,
  handler: Handler<ParamNames<Path>>,
): Route {
  return { methods, path, handler: handler as Handler };
}

/** A JSON answer. */
export function json(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): WebResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  };
}

/** Thrown by a handler to answer with this status and `{"error": message}`. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.headers = headers;
  }
}

interface CompiledRoute {
  readonly route: Route;
  /** `null` stands for a parameter. */
  readonly literals: readonly (string | null)[];
  readonly names: readonly string[];
}

export interface RouteMatch {
  readonly handler: Handler;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the route of a path: the first one that was added and matches. */
export class Router {
  readonly #routes: CompiledRoute[] = [];

  add(routes: readonly Route[]): void {
    for (const one of routes) this.#routes.push(compile(one));
  }

  /**
   * The handler for these decoded segments (see {@link pathSegments}); null when no path matches.
   * @throws HttpError 405, with `allow`, when the path is known and the method is not
   */
  match(method: string, segments: readonly string[]): RouteMatch | null {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const allowed = new Set<string>();
    for (const { route: one, literals, names } of this.#routes) {
      const values = parameters(literals, segments);
      if (values === null) continue;
      if ((one.methods as readonly string[]).includes(wanted)) {
        return {
          handler: one.handler,
          params: Object.fromEntries(names.map((name, i) => [name, values[i]!])),
        };
      }
      for (const known of one.methods) allowed.add(known);
    }
    if (allowed.size === 0) return null;
    if (allowed.has('GET')) allowed.add('HEAD');
    const allow = [...allowed].join(', ');
    throw new HttpError(405, `method ${method} is not allowed here; allowed: ${allow}`, { allow });
  }
}

function compile(one: Route): CompiledRoute {
  const parts = one.path.split('/').slice(1);
  return {
    route: one,
    literals: parts.map(part => (part.startsWith(':') ? null : part)),
    names: parts.filter(part => part.startsWith(':')).map(part => part.slice(1)),
  };
}

/** The parameters in order when the segments match; null when they do not. */
function parameters(literals: readonly (string | null)[], segments: readonly string[]): string[] | null {
  if (literals.length !== segments.length) return null;
  const values: string[] = [];
  for (const [i, literal] of literals.entries()) {
    const segment = segments[i]!;
    if (literal === null && segment !== '') values.push(segment);
    else if (literal !== segment) return null;
  }
  return values;
}

/**
 * The path of a request target, split at `/` and then percent-decoded once, so that an encoded slash stays inside its segment.
 * @throws HttpError 400 for a target that is no path, a malformed escape, a NUL, a `..` or `.` in any disguise, or a
 *   doubly encoded one of them
 */
export function pathSegments(target: string): string[] {
  const path = target.split(/[?#]/, 1)[0]!;
  if (!path.startsWith('/')) throw new HttpError(400, 'the request target must be a path');
  return path.slice(1).split('/').map(decodeSegment);
}

function decodeSegment(raw: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(raw);
  } catch {
    throw new HttpError(400, 'the path holds a malformed percent escape');
  }
  if (decoded.includes('\0')) throw new HttpError(400, 'the path holds a NUL');
  if (/%(?:2e|2f|5c|00|25)/i.test(decoded)) throw new HttpError(400, 'the path is encoded twice');
  if (decoded.split(/[/\\]/).some(part => part === '..' || part === '.')) {
    throw new HttpError(400, 'the path must not climb');
  }
  return decoded;
}
