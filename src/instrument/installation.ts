// Every instrumentation by its name, and which of them are asked for.
import { instrumentExpress } from './express.ts';
import { instrumentFastify } from './fastify.ts';
import { reportFault, tell } from './fault.ts';
import { instrumentHttpClient } from './http-client.ts';
import { instrumentHttpServer } from './http-server.ts';
import { onPackageLoad } from './module-hooks.ts';
import { instrumentLoadedPino } from './pino.ts';
import { instrumentPromClient } from './prom-client.ts';
import { startRuntimeMetricsLater } from './runtime-metrics.ts';
import { instrumentUndici } from './undici.ts';

const instrumentations: ReadonlyMap<string, () => void> = new Map([
  ['http-server', instrumentHttpServer],
  ['http-client', instrumentHttpClient],
  ['undici', instrumentUndici],
  ['express', instrumentExpress],
  ['fastify', instrumentFastify],
  ['pino', instrumentLoadedPino],
  ['prom-client', () => onPackageLoad('prom-client', instrumentPromClient)],
  ['runtime-metrics', startRuntimeMetricsLater],
]);

/**
 * Installs what the list names, once the global providers are set. Items count from left to right: `all`, `none`, a name,
 * or a name with a minus sign, which takes it out again; a list that begins with a minus sign begins with all. One that
 * fails, and a name that is not known, is told on stderr; the others are installed.
 * @returns the names that were asked for
 */
export function installInstrumentations(list: readonly string[]): ReadonlySet<string> {
  const names = selected(list);
  for (const name of names) {
    try {
      instrumentations.get(name)!();
    } catch (error) {
      reportFault(`the instrumentation ${name}`, error);
    }
  }
  return names;
}

function selected(list: readonly string[]): ReadonlySet<string> {
  const names = new Set(list[0]?.startsWith('-') ? instrumentations.keys() : []);
  for (const item of list) {
    const name = item.replace(/^-/, '');
    if (item === 'none') names.clear();
    else if (item === 'all') for (const each of instrumentations.keys()) names.add(each);
    else if (!instrumentations.has(name)) tellUnknown(item);
    else if (item === name) names.add(name);
    else names.delete(name);
  }
  return names;
}

function tellUnknown(item: string): void {
  const known = [...instrumentations.keys()].join(', ');
  tell(`TRICORD_INSTRUMENTATIONS: ${JSON.stringify(item)} is ignored; there are all, none, ${known}.`);
}
