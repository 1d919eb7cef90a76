// Writes docs/options.md from the options table; `--check` says whether the page is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { optionsMarkdown } from '../src/options.ts';

const path = resolve(import.meta.dirname, '../docs/options.md');

const page = `# Options of the agent

Every option is an environment variable, and a property of what \`start()\` takes; what is given in code wins. A
variable that cannot be used is reported on one line of stderr, and its default is in force; an option given in code
that cannot be used throws an \`OptionError\`. A \`TRICORD_\` or \`OTEL_EXPORTER_OTLP_\` variable that does not exist
here is reported with the nearest one that does. \`OTEL_\` variables have the meaning of the OpenTelemetry specification.

This page is generated from \`src/options.ts\` by \`node scripts/options-page.ts\`.

${optionsMarkdown()}
`;

if (!process.argv.includes('--check')) writeFileSync(path, page);
else if (readFileSync(path, 'utf8') !== page) {
  process.stderr.write('docs/options.md is out of date: run `node scripts/options-page.ts`\n');
  process.exitCode = 1;
}
