// What a thread of an application is: the service that its process is, and which thread of it.
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads';
import { detectResource, type Resource, type ResourceOptions } from './resource.ts';

/** What is detected by the application's file, which a worker thread does not know; empty for what there is none of. */
const INHERITED = ['service.name', 'service.version', 'process.command'];
const INSTANCE = 'service.instance.id';
const INHERITANCE = 'tricord.resource';

type ResourceAttributes = NonNullable<ResourceOptions['attributes']>;

interface Inheritance {
  readonly service: ResourceAttributes;
  /** What tells the process among those of its cluster; empty for no worker. */
  readonly worker: string;
}

/**
 * As {@link detectResource}; worker threads that start later inherit the service. Each worker of a cluster and each thread is a
 * service instance of its own, as it counts for itself: an instance ID that is configured gets the worker's and the thread's ID
 * behind it.
 */
export function detectThreadResource(options: ResourceOptions): Resource {
  const { [INSTANCE]: instance, ...configured } = options.attributes ?? {};
  const instanceOf = (suffix: string): ResourceAttributes =>
    instance === undefined ? {} : { [INSTANCE]: `${instance}${suffix}` };
  if (isMainThread) {
    const worker = workerSuffix();
    const resource = detectResource({ ...options, attributes: { ...configured, ...instanceOf(worker) } });
    const service = INHERITED.map(key => [key, resource.values[resource.keys.indexOf(key)] ?? ''] as const);
    setEnvironmentData(INHERITANCE, { service: Object.fromEntries(service), worker } satisfies Inheritance);
    return resource;
  }
  const { service = {}, worker = '' } = (getEnvironmentData(INHERITANCE) ?? {}) as Partial<Inheritance>;
  const none = INHERITED.filter(key => service[key] === '' && configured[key] === undefined);
  const attributes = {
    ...service,
    ...configured,
    'thread.id': threadId,
    ...instanceOf(`${worker}/${threadId}`),
  };
  return without(detectResource({ ...options, attributes }), none);
}

/** Only a process that has been forked can be the worker of a cluster. */
function workerSuffix(): string {
  const worker = process.send && process.getBuiltinModule('node:cluster').worker;
  return worker === undefined ? '' : `/worker-${worker.id}`;
}

function without({ keys, values }: Resource, left: readonly string[]): Resource {
  const kept = keys.flatMap((key, i) => (left.includes(key) ? [] : [i]));
  return { keys: kept.map(i => keys[i]!), values: kept.map(i => values[i]!), count: kept.length };
}
