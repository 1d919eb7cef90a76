// What tests of every database client ask of its telemetry.
import { type SeenPoint, Telemetry } from './telemetry.ts';

export class DatabaseTelemetry extends Telemetry {
  /** Of the spans, in the order of their ends. */
  get names(): string[] {
    return this.spans.map(({ name }) => name);
  }

  get durations(): SeenPoint[] {
    return this.points('db.client.operation.duration');
  }

  /** How often the operation, or every one, was timed. */
  timed(operation?: string): number {
    return this.durations
      .filter(({ attributes }) => operation === undefined || attributes['db.operation.name'] === operation)
      .reduce((sum, { point }) => sum + point.count!, 0);
  }
}

/** The attributes that every span and duration of a server on this machine has. */
export function placeOf(system: string, namespace: string, port: number): Readonly<Record<string, unknown>> {
  return {
    'db.system.name': system,
    'db.namespace': namespace,
    'server.address': '127.0.0.1',
    'server.port': port,
  };
}
