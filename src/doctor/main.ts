#!/usr/bin/env node
// `tricord doctor`: says what the agent would find, what is wrong, and what to do.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { processClock } from '../context/clock.ts';
import { detectResource } from '../context/resource.ts';
import { OptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Options } from '../options.ts';
import { readPem } from '../pem.ts';
import { encodeResource } from '../resource-message.ts';
import { checkTls, parseEndpoint } from '../transport/endpoint.ts';
import { INSTANCE_ID_BYTES } from '../transport/otlp/stream-frame.ts';
import { judgeAgents } from './agents.ts';
import { type Application, findApplication, judgeApplication } from './application.ts';
import { judgeCollector } from './collector.ts';
import type { Destination } from './exchange.ts';
import { type Finding, ok, printed, problem, reportOf, warning } from './finding.ts';
import { type Invocation, readInvocation } from './invocation.ts';
import { judgeLibraries } from './libraries.ts';
import { judgeNode, judgePreload } from './runtime.ts';
import { judgeService } from './service.ts';
import { readSettings, type Settings } from './settings.ts';
import { judgeVariables } from './variables.ts';

const USAGE = `tricord doctor [--json] [--] [node arguments] [app.js]

Says what the agent would find in this environment and in the application, what is wrong, and what to do.
The application is not run. One span is sent to the collector. Exit code 0 when nothing is a problem, else 1.
`;
/** Nobody waits longer for one step. */
const STEP_MS_MAX = 5000;

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  const helps = rest[0] === '--help' || rest[0] === '-h';
  if (command !== 'doctor' || helps) {
    (helps || command === '--help' ? process.stdout : process.stderr).write(USAGE);
    return helps || command === '--help' ? 0 : 2;
  }
  const json = rest[0] === '--json';
  if (json) rest.shift();
  if (rest[0] === '--') rest.shift();
  return examine(readInvocation(rest, process.env), json);
}

async function examine(invocation: Invocation, json: boolean): Promise<number> {
  const cwd = process.cwd();
  const given = invocation.application;
  const application = given === undefined ? undefined : findApplication(given, cwd);
  const folder = application?.folder ?? cwd;
  const settings = readSettings(invocation.env);
  const { options } = settings;
  const resource = detectResource({
    serviceName: options.serviceName,
    attributes: options.resourceAttributes,
    detectors: options.resourceDetectors,
    main: application?.file ?? resolve(cwd, 'index.js'),
    env: {},
  });
  const version = String(resource.values[resource.keys.indexOf('telemetry.sdk.version')] ?? '?');
  const findings = [
    ok('runtime', 'tricord', `tricord ${version}`),
    judgeNode(process.versions.node),
    ...judgePreload(invocation, cwd, application?.source),
    ...judgeVariables(invocation.env, settings),
    judgeService(folder, settings),
    ...judgeFile(given, application, invocation),
    ...judgeLibraries(folder, options),
    ...judgeAgents(folder, invocation.preloads, application?.source),
    ...(await judgeWay(settings, encodeResource(resource))),
  ];
  const report = reportOf(version, findings);
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : printed(report));
  return report.ok ? 0 : 1;
}

function judgeFile(
  given: string | undefined,
  application: Application | undefined,
  { flags }: Invocation,
): Finding[] {
  if (application !== undefined) return judgeApplication(application, flags);
  if (given === undefined) return [];
  return [problem('application', 'file', `there is no ${given}`, 'give the file that Node.js is to run')];
}

/** The way to the collector, with what the agent would take it by; of one that would not start nothing is known. */
async function judgeWay({ options, fault }: Settings, resource: Uint8Array): Promise<Finding[]> {
  if (fault !== undefined) return [];
  if (options.disabled)
    return [warning('collector', 'disabled', 'the agent is switched off', 'unset OTEL_SDK_DISABLED')];
  const { tracesExporter, metricsExporter, logsExporter } = options;
  if ([tracesExporter, metricsExporter, logsExporter].every(exporter => exporter === 'none'))
    return [ok('collector', 'none', 'nothing is sent: the exporters of all signals are switched off')];
  try {
    const destination = destinationOf(options, resource);
    parseEndpoint(destination);
    checkTls(destination);
    return await judgeCollector(destination);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    return [problem('collector', 'options', error.message, 'the agent does not start with this: correct it')];
  }
}

function destinationOf(options: Readonly<Options>, resource: Uint8Array): Destination {
  const { endpoint, protocol, headers, timeout } = options;
  return {
    ...{ endpoint, protocol, headers, resource },
    certificate: readPem('certificate', options.certificate),
    clientCertificate: readPem('clientCertificate', options.clientCertificate),
    clientKey: readPem('clientKey', options.clientKey),
    // A timeout of 0 is none, but a step has one.
    timeoutMs: Math.min(timeout || STEP_MS_MAX, STEP_MS_MAX),
    instanceId: randomBytes(INSTANCE_ID_BYTES),
    anchorUnixNanos: processClock.anchorUnixNanos,
    ringBytes: limits.ring_bytes_min,
    resendBytes: limits.resend_bytes_min,
    tracesLingerMs: 0,
    logsLingerMs: 0,
    thread: false,
    flushTimeoutMs: 0,
  };
}

void main(process.argv.slice(2)).then(code => {
  process.exitCode = code;
});
