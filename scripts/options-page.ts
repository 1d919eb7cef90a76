// Writes docs/options.md and docs/opentelemetry.md from the tables of variables; `--check` says whether they are up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Option } from '../src/option-kinds.ts';
import { optionTable } from '../src/options.ts';
import { type Fate, specification } from '../src/otel-variables.ts';

const options = Object.entries(optionTable) as [string, Option<unknown>][];

/** One row per option. */
function optionRows(): string {
  const rows = options.map(([name, option]) => {
    const shown =
      typeof option.default === 'object'
        ? Object.values(option.default as object).join(',')
        : String(option.default ?? '');
    return `| \`${option.env}\` | \`${name}\` | ${shown === '' ? '' : `\`${shown}\``} | ${option.shape} | ${option.doc} |`;
  });
  return ['| variable | in `start()` | default | takes | meaning |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}

/** What becomes of a variable, in two cells; what the options table has is an option, whatever the specification's says. */
function fateCells(name: string, fate: Fate): string {
  const own = options.find(([, option]) => option.env === name);
  if (own !== undefined) return `yes, \`${own[0]}\` | ${own[1].doc}`;
  switch (fate.kind) {
    case 'alias':
      return `yes, where \`${fate.of}\` is not set | ${fate.note}`;
    case 'signal':
      return `where all signals agree | As \`${fate.of}\`.`;
    case 'moot':
      return `nothing to do | ${fate.note}`;
    case 'ignored':
      return `no | ${fate.note}`;
    case 'option':
      throw new Error(`${name} is in no row of the options table`);
  }
}

function specificationTables(): string {
  return specification
    .map(({ title, variables }) => {
      const rows = Object.entries(variables).map(
        ([name, fate]) => `| \`${name}\` | ${fateCells(name, fate)} |`,
      );
      return [`## ${title}`, '', '| variable | honoured | |', '|---|---|---|', ...rows].join('\n');
    })
    .join('\n\n');
}

const optionsPage = `# Options of the agent

Every option is an environment variable, and a property of what \`start()\` takes; what is given in code wins. A
variable that cannot be used is reported on one line of stderr, and its default is in force; an option given in code
that cannot be used throws an \`OptionError\`. A \`TRICORD_\` or \`OTEL_\` variable that does not exist is reported with
the nearest one that does. \`OTEL_\` variables have the meaning of the OpenTelemetry specification; what becomes of every one of
them is in [opentelemetry.md](opentelemetry.md), and \`OTEL_CONFIG_FILE\` takes their place: [configuration-file.md](configuration-file.md).
\`npx tricord doctor\` judges those that are set. What no variable can say is given in code alone: [\`views\`](metrics.md#views).

This page is generated from \`src/options.ts\` by \`node scripts/options-page.ts\`.

${optionRows()}

## Log records

| | IDs in the lines | lines of pino, winston and the console as records | records of the OpenTelemetry API |
|---|---|---|---|
| by default | yes | sent | sent |
| \`TRICORD_LOGS_CAPTURE=off\` | yes | no | sent |
| \`OTEL_LOGS_EXPORTER=none\` | yes | no | no |

The console has no IDs in its output, and is observed only where \`TRICORD_INSTRUMENTATIONS\` names it.

### Fields of log records

\`TRICORD_LOGS_FIELDS\` says which attributes of log records are sent, by their names as they arrive. Each item is a path of names
joined by dots, with \`*\` for any one name:

| item | what it does |
|---|---|
| \`-password\`, \`-req.headers.authorization\`, \`-items.*.token\` | leaves out the value, with all below it; an element of an array counts by its index |
| \`card.number=***\` | sends \`***\` in its place |
| \`user.id\` | lists it, with all below it: once anything is listed nothing else is sent, but for what is replaced |

What leaves out wins over what replaces, and that over what lists. A name that has dots itself counts as so many levels:
\`exception.message\` is a path too. What is said of \`err\` and \`error\` holds for the \`exception\` that they become. Level, time, message,
IDs and the labels of the context are no fields, and are sent. A line that cannot be read, or is too long to be, has \`***\` as its
body. Lines are filtered in the transport thread, everything else where it is made; what the application itself writes stays whole.
With \`tricord/sdk\` the same holds for the records that the SDK makes.

## Small places

A container with one processor and 128 MB, or a function that lives for seconds, may want less of the agent than the defaults
give:

| variable | what it saves | what it costs |
|---|---|---|
| \`TRICORD_TRANSPORT_THREAD=off\` | the thread, whose isolate takes some 10 MB, and its start | sending takes turns with the application on its event loop |
| \`TRICORD_RING_BYTES=524288\` | what of its 4 MiB the ring takes while the collector is slow; else it is less than 2 | more than that between two turns of the loop is dropped, and counted |
| \`TRICORD_RESEND_BYTES=4194304\` | most of what an absence of the collector may add, 32 MiB by default | fewer records of such a time, each with a higher weight |
| \`TRICORD_TRACES_LINGER\`, \`TRICORD_LOGS_LINGER\`, larger | wake-ups and batches | what ends in the meantime is sent later; the end of the process still waits for all of it |

Without the thread all else holds: bounds, counters, resending, \`flush()\` and \`shutdown()\`; but spans and log records that a worker thread has not
sent when it is terminated are lost ([exit-matrix.md](exit-matrix.md)). Nothing of it keeps the process
alive, but for an attempt to connect that is under way, at most \`OTEL_EXPORTER_OTLP_TIMEOUT\`, and bytes that the collector's
machine does not take. An application that never lets go of its event loop sends nothing meanwhile.

Where the process ends nothing asynchronous runs any more, so that a thread is started then, if anything is left to
deliver: it takes over what is not acknowledged under the same sequences, and a collector that knows the stream stores
nothing twice. Towards plain OTLP, which does not tell a batch that comes twice, an export that was under way is made
again. Where a thread may not be started (\`--permission\` without \`--allow-worker\`) what is left is lost, which one line of
stderr says; \`await agent.shutdown()\` before the end delivers it.
`;

const specificationPage = `# The variables of OpenTelemetry

Every \`OTEL_*\` variable of the OpenTelemetry specification, and those of its SDK for Node.js: which are honoured, and what to use
instead of the others. One that is set and has no effect is named on one line of stderr at the start, as is one that does not
exist, with the nearest one that does; variables for the SDKs of other languages (\`OTEL_JAVA_*\`, \`OTEL_PYTHON_*\`, …) and those
that the Kubernetes operator sets for its own use are left alone. Values, defaults and bounds are in [options.md](options.md).

**One signal alone**: one connection carries all of them, so that \`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT\` and its like count when
what they say holds for every signal that is sent: the same for each of them, or the others switched off by
\`OTEL_METRICS_EXPORTER=none\` and its like. An endpoint for one signal of OTLP/HTTP is the whole URL, with \`/v1/traces\`. Who wants
signals to go to different places sends them to one collector, which forwards them.

This page is generated from \`src/otel-variables.ts\` by \`node scripts/options-page.ts\`.

${specificationTables()}
`;

const pages = { 'docs/options.md': optionsPage, 'docs/opentelemetry.md': specificationPage };

for (const [name, page] of Object.entries(pages)) {
  const path = resolve(import.meta.dirname, '..', name);
  if (!process.argv.includes('--check')) writeFileSync(path, page);
  else if (readFileSync(path, 'utf8') !== page) {
    process.stderr.write(`${name} is out of date: run \`node scripts/options-page.ts\`\n`);
    process.exitCode = 1;
  }
}
