// Looks for other agents that would observe the same application.
import { otherAgents } from '../instrument/libraries.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import type { Preload } from './invocation.ts';
import { dependenciesOf, findPackage } from './packages.ts';

/** @param source the application's own text; undefined without an application */
export function judgeAgents(
  folder: string,
  preloads: readonly Preload[],
  source: string | undefined,
): Finding[] {
  const { names } = dependenciesOf(folder);
  const found = Object.entries(otherAgents).flatMap(([name, what]) => {
    const preload = preloads.find(({ specifier }) => loads(specifier, name));
    if (preload !== undefined)
      return [problem('agents', name, `${name}, ${what}, is preloaded by ${preload.source}`, ONE)];
    if (source !== undefined && imports(source, name))
      return [problem('agents', name, `${name}, ${what}, is loaded by the application`, ONE)];
    const installed = names.includes(name) ? findPackage(name, folder) : undefined;
    if (installed === undefined) return [];
    return [
      warning(
        'agents',
        name,
        `${name} ${installed.version}, ${what}, is installed`,
        `if it is loaded, ${ONE}`,
      ),
    ];
  });
  return found.length > 0 ? found : [ok('agents', 'none', 'no other agent or OpenTelemetry SDK is in sight')];
}

const ONE = 'let one agent observe the application: the one that is loaded first keeps what it registers';

/** `dd-trace/init`, or a path into the package. */
const loads = (specifier: string, name: string): boolean =>
  specifier === name || specifier.startsWith(`${name}/`) || specifier.includes(`/node_modules/${name}/`);

function imports(source: string, name: string): boolean {
  return [`'${name}'`, `"${name}"`, `'${name}/`, `"${name}/`].some(quoted =>
    [`require(${quoted}`, `from ${quoted}`, `from${quoted}`, `import ${quoted}`, `import${quoted}`].some(
      text => source.includes(text),
    ),
  );
}
