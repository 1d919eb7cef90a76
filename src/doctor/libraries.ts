// Judges the libraries of the application: which are observed, which are not, and why.
import { selectedInstrumentations } from '../instrument/installation.ts';
import { type Library, libraries, otherInstrumentations } from '../instrument/libraries.ts';
import { stockPackages } from '../instrument/stock.ts';
import type { Options } from '../options.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { dependenciesOf, findPackage, type InstalledPackage } from './packages.ts';

/** @param folder of the application's file */
export function judgeLibraries(folder: string, options: Readonly<Options>): Finding[] {
  const { names } = dependenciesOf(folder);
  const wanted = new Set([
    ...libraries.map(({ name }) => name),
    ...Object.keys(otherInstrumentations),
    ...names,
  ]);
  const installed = [...wanted].map(name => findPackage(name, folder)).filter(found => found !== undefined);
  const complaints: Finding[] = [];
  const selected = selectedInstrumentations(options, line => complaints.push(judgeName(line)));
  const judged = installed.flatMap(found => {
    const library = libraries.find(({ name }) => name === found.name);
    if (library !== undefined) return [judge(found, library, selected)];
    const other = otherInstrumentations[found.name];
    // What is there because something else depends on it need not matter.
    return other !== undefined && names.includes(found.alias) ? [judgeOther(found, other, folder)] : [];
  });
  const http = ['http-server', 'http-client'].filter(name => !selected.has(name));
  const builtIn =
    http.length === 0
      ? ok('libraries', 'node:http', 'node:http, node:https and fetch are instrumented')
      : warning('libraries', 'node:http', `${http.join(' and ')} is switched off`, SWITCH);
  return [...complaints, builtIn, ...judged, ...judgeStock(folder, options)];
}

/** Those of OpenTelemetry's own that are asked for and not there. */
function judgeStock(folder: string, { otelInstrumentations }: Readonly<Options>): Finding[] {
  return stockPackages(otelInstrumentations)
    .filter(name => findPackage(name, folder) === undefined)
    .map(name =>
      problem(
        'libraries',
        `stock:${name}`,
        `${name}, which TRICORD_OTEL_INSTRUMENTATIONS names, is not among the application's packages`,
        `npm install ${name}, or leave it out`,
      ),
    );
}

function judgeName(line: string): Finding {
  const [what, names] = line.split('; ');
  return problem('libraries', 'names', what!, names!);
}

const SWITCH = 'see TRICORD_INSTRUMENTATIONS and OTEL_NODE_DISABLED_INSTRUMENTATIONS';

function judge(
  { name, alias, version }: InstalledPackage,
  library: Library,
  selected: ReadonlySet<string>,
): Finding {
  const shown = alias === name ? `${name} ${version}` : `${name} ${version} (installed as ${alias})`;
  const { from, to, instrumentation } = library;
  const major = Number.parseInt(version, 10);
  if (!selected.has(instrumentation))
    return warning(
      'libraries',
      alias,
      `${shown} is not instrumented: ${instrumentation} is switched off`,
      SWITCH,
    );
  if (major < from)
    return problem(
      'libraries',
      alias,
      `${shown} is not instrumented: versions from ${from} on are`,
      `update it to ${name} ${from} or later`,
    );
  if (major > to)
    return warning(
      'libraries',
      alias,
      `${shown} is newer than what is known to work, ${name} ${to}`,
      'look whether its requests, lines or metrics arrive',
    );
  return ok('libraries', alias, `${shown} is instrumented`);
}

function judgeOther({ name, alias, version }: InstalledPackage, other: string, folder: string): Finding {
  const instrumentation = `@opentelemetry/instrumentation-${other}`;
  const found =
    findPackage(instrumentation, folder) ?? findPackage('@opentelemetry/auto-instrumentations-node', folder);
  if (found !== undefined)
    return ok('libraries', alias, `${name} ${version} is for ${found.name} ${found.version} to instrument`);
  return warning(
    'libraries',
    alias,
    `${name} ${version} is not instrumented: tricord does not know it`,
    `register ${instrumentation} in the application: it works beside tricord`,
  );
}
