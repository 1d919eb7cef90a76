// Loads stock OpenTelemetry instrumentations, from the application's own packages, for libraries that ours do not observe.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { reportFault, tell } from './fault.ts';

const VARIABLE = 'TRICORD_OTEL_INSTRUMENTATIONS';
const PREFIX = '@opentelemetry/instrumentation-';
/** All of them in one package. */
const BUNDLE = '@opentelemetry/auto-instrumentations-node';

/** Which of ours observe the same library, by the end of the stock package's name. */
const covered: ReadonlyMap<string, readonly string[]> = new Map([
  ['http', ['http-server', 'http-client']],
  ['undici', ['undici']],
  ['express', ['express']],
  ['router', ['express']],
  ['fastify', ['fastify']],
  ['koa', ['koa']],
  ['grpc', ['grpc']],
  ['graphql', ['graphql']],
  ['pg', ['pg']],
  ['mysql2', ['mysql2']],
  ['ioredis', ['ioredis']],
  ['redis', ['redis']],
  ['mongodb', ['mongodb']],
  ['amqplib', ['amqplib']],
  ['kafkajs', ['kafkajs']],
  ['pino', ['pino']],
  ['winston', ['winston']],
  ['runtime-node', ['runtime-metrics']],
]);

interface Bundle {
  getNodeAutoInstrumentations(configs: Readonly<Record<string, { readonly enabled: false }>>): unknown;
}

/**
 * Makes an instance of each that the list names, which then observes by itself, through the global providers. Items: `all` (the
 * package `@opentelemetry/auto-instrumentations-node`), the end of a package's name such as `mongoose`, a whole name of a package, and each of
 * them with a minus sign as an exception to `all`. One for a library that ours observe already is refused. Whatever cannot
 * be loaded is told on stderr; the others are.
 *
 * @param own the names of our instrumentations that are installed
 */
export function installStockInstrumentations(list: readonly string[], own: ReadonlySet<string>): void {
  const { require, resolve } = applicationPackages();
  const load = (name: string): unknown => require(resolve(name));
  const twice = [...covered].filter(([, names]) => names.some(name => own.has(name))).map(([name]) => name);
  const except = list.filter(item => item.startsWith('-')).map(item => item.slice(1));
  const named = namedIn(list);
  if (list.includes('all')) withPackage(BUNDLE, () => loadBundle(load, [...twice, ...except, ...named]));
  for (const name of named) {
    const ours = twice.includes(name) ? covered.get(name)! : [];
    if (ours.length > 0) refuse(name, ours);
    else withPackage(packageOf(name), () => instantiate(load(packageOf(name))));
  }
}

/** Tells which packages of the list the application does not have; loads none. */
export function judgeStockNames(list: readonly string[]): void {
  const { resolve } = applicationPackages();
  for (const name of stockPackages(list)) withPackage(name, () => resolve(name));
}

/** Items that name a single instrumentation. */
const namedIn = (list: readonly string[]): string[] =>
  list.filter(item => item !== 'all' && item !== 'none' && !item.startsWith('-'));

/** The packages that the list asks for. */
export function stockPackages(list: readonly string[]): string[] {
  return [...(list.includes('all') ? [BUNDLE] : []), ...namedIn(list).map(packageOf)];
}

const packageOf = (name: string): string => (name.includes('/') ? name : `${PREFIX}${name}`);

/** Finds packages as the application would. */
function applicationPackages(): { require: NodeJS.Require; resolve: (name: string) => string } {
  const require = createRequire(import.meta.url);
  // There is no file of the application's with `-e`.
  const main = process.argv[1];
  const paths = [...(main === undefined ? [] : [dirname(main)]), process.cwd()];
  return { require, resolve: name => require.resolve(name, { paths }) };
}

function withPackage(name: string, use: () => void): void {
  try {
    use();
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    if (isMissing && String((error as Error).message).includes(`'${name}'`))
      tell(
        `${VARIABLE}: ${name} is not among the application's packages; npm install ${name} puts it there.`,
      );
    else reportFault(`the instrumentation ${name}`, error);
  }
}

function loadBundle(load: (name: string) => unknown, except: readonly string[]): void {
  const configs = except.map(name => [packageOf(name), { enabled: false }] as const);
  (load(BUNDLE) as Bundle).getNodeAutoInstrumentations(Object.fromEntries(configs));
}

function refuse(name: string, ours: readonly string[]): void {
  const off = ours.map(each => `-${each}`).join(',');
  tell(
    `${VARIABLE}: ${name} is refused, as ${ours.join(' and ')} of tricord's observe the same; ` +
      `TRICORD_INSTRUMENTATIONS=${off} makes room for it.`,
  );
}

/** @throws TypeError for a package that exports no instrumentation */
function instantiate(exports: unknown): void {
  const classes = Object.values(exports as object).filter(isInstrumentation);
  if (classes.length === 0) throw new TypeError('it exports no instrumentation');
  for (const Instrumentation of classes) new Instrumentation();
}

/** As `InstrumentationBase` makes them: what is constructed is enabled. */
function isInstrumentation(value: unknown): value is new () => object {
  if (typeof value !== 'function') return false;
  const prototype = value.prototype as Partial<Record<'enable' | 'setTracerProvider', unknown>> | undefined;
  return typeof prototype?.enable === 'function' && typeof prototype.setTracerProvider === 'function';
}
