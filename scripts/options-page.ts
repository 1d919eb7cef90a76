// Writes docs/options.md from the options table; `--check` says whether the page is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { optionsMarkdown } from '../src/options.ts';

const path = resolve(import.meta.dirname, '../docs/options.md');

const page = `# Options of the agent

Every option is an environment variable, and a property of what \`start()\` takes; what is given in code wins. A
variable that cannot be used is reported on one line of stderr, and its default is in force; an option given in code
that cannot be used throws an \`OptionError\`. A \`TRICORD_\` or \`OTEL_EXPORTER_OTLP_\` variable that does not exist
here is reported with the nearest one that does. \`OTEL_\` variables have the meaning of the OpenTelemetry specification;
\`OTEL_CONFIG_FILE\` takes their place: [configuration-file.md](configuration-file.md).

This page is generated from \`src/options.ts\` by \`node scripts/options-page.ts\`.

${optionsMarkdown()}

## Small places

A container with one processor and 128 MB, or a function that lives for seconds, may want less of the agent than the defaults
give:

| variable | what it saves | what it costs |
|---|---|---|
| \`TRICORD_TRANSPORT_THREAD=off\` | the thread, whose isolate with node:http2 takes 11 to 20 MB, and its start | sending takes turns with the application on its event loop |
| \`TRICORD_RING_BYTES=524288\` | most of the 4 MiB that the ring holds by default, as it is touched from end to end | more than that between two turns of the loop is dropped, and counted |
| \`TRICORD_RESEND_BYTES=4194304\` | most of what an absence of the collector may add, 32 MiB by default | fewer records of such a time, each with a higher weight |
| \`TRICORD_TRACES_LINGER\`, \`TRICORD_LOGS_LINGER\`, larger | wake-ups and batches | what ends in the meantime is sent later; the end of the process still waits for all of it |

Without the thread all else holds: bounds, counters, resending, \`flush()\` and \`shutdown()\`. Nothing of it keeps the process
alive, but for an attempt to connect that is under way, at most \`OTEL_EXPORTER_OTLP_TIMEOUT\`, and bytes that the collector's
machine does not take. An application that never lets go of its event loop sends nothing meanwhile.

Where the process ends nothing asynchronous runs any more, so that a thread is started then, if anything is left to
deliver: it takes over what is not acknowledged under the same sequences, and a collector that knows the stream stores
nothing twice. Towards plain OTLP, which does not tell a batch that comes twice, an export that was under way is made
again. Where a thread may not be started (\`--permission\` without \`--allow-worker\`) what is left is lost, which one line of
stderr says; \`await agent.shutdown()\` before the end delivers it.
`;

if (!process.argv.includes('--check')) writeFileSync(path, page);
else if (readFileSync(path, 'utf8') !== page) {
  process.stderr.write('docs/options.md is out of date: run `node scripts/options-page.ts`\n');
  process.exitCode = 1;
}
