// What a thread of an application is: the service that its process is, and which thread of it.
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads';
import { detectResource, type Resource, type ResourceOptions } from './resource.ts';

/** What is detected by the application's file, which a worker thread does not know; empty for what there is none of. */
const INHERITED = ['service.name', 'service.version', 'process.command'];
const INHERITANCE = 'tricord.resource';

/**
 * As {@link detectResource}; worker threads that start later inherit the service. Each thread is a service instance of its
 * own, as it counts for itself: an instance ID that is configured gets the thread's ID behind it.
 */
export function detectThreadResource(options: ResourceOptions): Resource {
  if (isMainThread) {
    const resource = detectResource(options);
    const inherited = INHERITED.map(key => [key, resource.values[resource.keys.indexOf(key)] ?? ''] as const);
    setEnvironmentData(INHERITANCE, Object.fromEntries(inherited));
    return resource;
  }
  const { 'service.instance.id': instance, ...configured } = options.attributes ?? {};
  const inherited = (getEnvironmentData(INHERITANCE) ?? {}) as NonNullable<ResourceOptions['attributes']>;
  const none = INHERITED.filter(key => inherited[key] === '' && configured[key] === undefined);
  const resource = detectResource({
    ...options,
    attributes: {
      ...inherited,
      ...configured,
      'thread.id': threadId,
      ...(instance === undefined ? {} : { 'service.instance.id': `${instance}/${threadId}` }),
    },
  });
  return without(resource, none);
}

function without({ keys, values }: Resource, left: readonly string[]): Resource {
  const kept = keys.flatMap((key, i) => (left.includes(key) ? [] : [i]));
  return { keys: kept.map(i => keys[i]!), values: kept.map(i => values[i]!), count: kept.length };
}
