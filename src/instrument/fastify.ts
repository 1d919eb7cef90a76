// Route templates and errors of Fastify 4 and 5, by two hooks on every instance as it is made.
import type { IncomingMessage } from 'node:http';
import { listen } from './channel.ts';
import { setRequestError, setRoute } from './served-request.ts';

/** The part of Fastify that is used here. */
interface FastifyRequest {
  readonly raw: IncomingMessage;
  readonly routeOptions?: { readonly url?: string | undefined };
}

type Done = () => void;

interface FastifyInstance {
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: unknown, done: Done) => void): void;
  addHook(
    name: 'onError',
    hook: (request: FastifyRequest, reply: unknown, error: unknown, done: Done) => void,
  ): void;
}

/**
 * Gives server spans of Fastify applications the template of their route, and the error that a 5xx came from.
 *
 * Fastify publishes each instance before the application has it, so these hooks come first: the route is known for
 * requests too that validation or a hook of the application turns away, of which `fastify.request.handler` tells nothing.
 */
export function instrumentFastify(): void {
  listen<{ fastify: FastifyInstance }>('fastify.initialization', ({ fastify }) => {
    fastify.addHook('onRequest', tellRoute);
    fastify.addHook('onError', tellError);
  });
}

function tellRoute(request: FastifyRequest, _reply: unknown, done: Done): void {
  const route = request.routeOptions?.url;
  if (route !== undefined) setRoute(request.raw, route);
  done();
}

function tellError(request: FastifyRequest, _reply: unknown, error: unknown, done: Done): void {
  setRequestError(request.raw, error);
  done();
}
