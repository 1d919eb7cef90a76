// Detects what this process is: service, process, host, operating system, container.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { percentDecode } from './baggage.ts';

/** Values that a resource attribute has here. */
type ResourceValue = string | number | boolean | readonly string[];

/** The attributes of the resource in the slots of an `AttributeList`. */
export interface Resource {
  readonly keys: readonly string[];
  readonly values: readonly ResourceValue[];
  readonly count: number;
}

export interface ResourceOptions {
  /** Takes precedence over every other source of `service.name`. Default: OTEL_SERVICE_NAME. */
  readonly serviceName?: string | undefined;
  /** Take precedence over what is detected. Default: OTEL_RESOURCE_ATTRIBUTES. */
  readonly attributes?: Readonly<Record<string, ResourceValue>> | undefined;
  /** What is detected, by the names of OTEL_NODE_RESOURCE_DETECTORS. Default: `all`. */
  readonly detectors?: readonly string[] | undefined;
  /** The application's file. Default: the one that this process runs. */
  readonly main?: string | undefined;
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const SDK_NAME = 'tricord';
/** A container ID in a cgroup or mount path: 64 hex digits, as Docker, containerd and CRI-O name them. */
const CONTAINER_ID = /(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:$|\/)/;
const MOUNT_CONTAINER_ID = /\/(?:overlay-)?containers\/([0-9a-f]{64})\//;
/** `process.arch` by the names of the semantic conventions (`host.arch`). */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: 'x86',
  arm: 'arm32',
  ppc: 'ppc32',
};

/**
 * Service, process, host, operating system, container and SDK under the names of the semantic conventions. Reads a
 * handful of small files, once, synchronously; what cannot be read is left out. Never throws.
 */
export function detectResource(options: ResourceOptions = {}): Resource {
  const env = options.env ?? process.env;
  const { detectors = ['all'] } = options;
  const detects = (name: string): boolean =>
    !detectors.includes('none') && (detectors.includes('all') || detectors.includes(name));
  const configured = options.attributes ?? parseResourceAttributes(env.OTEL_RESOURCE_ATTRIBUTES ?? '');
  const serviceName = options.serviceName || env.OTEL_SERVICE_NAME;
  const attributes = new Map<string, ResourceValue | undefined>([
    ...Object.entries(detectService(options.main ?? process.argv[1])),
    ['service.instance.id', detects('serviceinstance') ? randomUUID() : undefined],
    ...Object.entries(detects('process') ? detectProcess() : {}),
    ...Object.entries(detects('host') ? detectHost() : {}),
    ...Object.entries(detects('os') ? detectSystem() : {}),
    ['container.id', detects('container') ? detectContainerId() : undefined],
    ...Object.entries(detects('env') ? configured : {}),
    ['telemetry.sdk.name', SDK_NAME],
    ['telemetry.sdk.language', 'nodejs'],
    ['telemetry.sdk.version', ownVersion()],
  ]);
  if (serviceName) attributes.set('service.name', serviceName);
  // An empty value that somebody configured takes the place of what was detected (resource SDK, "Merge").
  const present = [...attributes].filter((entry): entry is [string, ResourceValue] => {
    return entry[1] !== undefined && (entry[1] !== '' || Object.hasOwn(configured, entry[0]));
  });
  return {
    keys: present.map(([key]) => key),
    values: present.map(([, value]) => value),
    count: present.length,
  };
}

/** None when the agent was bundled into an application, whose manifest is then the nearest. */
function ownVersion(): string | undefined {
  const manifest = nearestPackage(import.meta.dirname);
  return manifest?.name === SDK_NAME ? manifest.version : undefined;
}

/**
 * Reads OTEL_RESOURCE_ATTRIBUTES: `key=value` pairs separated by commas, percent-encoded. A malformed pair makes the
 * whole ineffective, as the specification asks ("Specifying resource information via an environment variable").
 */
export function parseResourceAttributes(text: string): Record<string, string> {
  const attributes: Record<string, string> = Object.create(null);
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const split = pair.indexOf('=');
    const key = percentDecode(pair.slice(0, split).trim());
    if (split < 0 || key === '') return Object.create(null) as Record<string, string>;
    attributes[key] = percentDecode(pair.slice(split + 1).trim());
  }
  return attributes;
}

function detectService(main: string | undefined): Record<string, ResourceValue | undefined> {
  const manifest = nearestPackage(main === undefined ? process.cwd() : path.dirname(main));
  return {
    'service.name': manifest?.name ?? 'unknown_service:node',
    'service.version': manifest?.version,
  };
}

function detectProcess(): Record<string, ResourceValue | undefined> {
  return {
    'process.pid': process.pid,
    'process.parent_pid': process.ppid,
    'process.executable.name': path.basename(process.execPath),
    'process.executable.path': process.execPath,
    'process.command': process.argv[1],
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.versions.node,
    'process.runtime.description': 'Node.js',
    'process.owner': attempt(() => os.userInfo().username),
  };
}

function detectHost(): Record<string, ResourceValue | undefined> {
  return {
    'host.name': attempt(() => os.hostname()),
    'host.arch': ARCHITECTURES[process.arch] ?? process.arch,
    'host.id': readText('/etc/machine-id')?.trim() ?? readText('/var/lib/dbus/machine-id')?.trim(),
  };
}

function detectSystem(): Record<string, ResourceValue | undefined> {
  return {
    'os.type': process.platform === 'win32' ? 'windows' : process.platform,
    'os.version': attempt(() => os.release()),
    'os.description': attempt(() => os.version()),
  };
}

/** From cgroup v1 (`/proc/self/cgroup`) or, where that only says `0::/`, from the mounts of cgroup v2. */
function detectContainerId(): string | undefined {
  return containerIdOf(readText('/proc/self/cgroup') ?? '', readText('/proc/self/mountinfo') ?? '');
}

/** The container ID that the texts of `/proc/self/cgroup` and `/proc/self/mountinfo` name, if one does. */
export function containerIdOf(cgroup: string, mountinfo: string): string | undefined {
  for (const line of cgroup.split('\n')) {
    const id = CONTAINER_ID.exec(line)?.[1];
    if (id !== undefined) return id;
  }
  return MOUNT_CONTAINER_ID.exec(mountinfo)?.[1];
}

export interface Manifest {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
}

/** The package.json with a name that lies nearest above `directory`. */
export function nearestPackage(directory: string): Manifest | undefined {
  for (let at = path.resolve(directory); ; at = path.dirname(at)) {
    const manifest = parseManifest(readText(path.join(at, 'package.json')));
    if (manifest?.name !== undefined) return manifest;
    if (at === path.dirname(at)) return undefined;
  }
}

function parseManifest(text: string | undefined): Manifest | undefined {
  if (text === undefined) return undefined;
  const parsed: unknown = attempt(() => JSON.parse(text));
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { name, version } = parsed as Record<string, unknown>;
  return {
    name: typeof name === 'string' ? name : undefined,
    version: typeof version === 'string' ? version : undefined,
  };
}

function readText(file: string): string | undefined {
  return attempt(() => readFileSync(file, 'utf8'));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
