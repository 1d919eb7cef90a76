// Wrong files: certificates, keys and configuration files that are missing, unreadable or malformed.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CaseSource, SettingCase } from './setting-case.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const certificates = [
  'OTEL_EXPORTER_OTLP_CERTIFICATE',
  'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE',
  'OTEL_EXPORTER_OTLP_CLIENT_KEY',
];
const malformed: readonly string[] = [
  '',
  ' \n',
  'no certificate',
  '\u0000\u0001\ufffd',
  PEM,
  PEM.slice(0, 40),
];
const configurations: readonly string[] = [
  ...['', 'a: [', '- a', '\u0000\u0001', 'text', 'file_format: "2.0"', 'disabled: true'],
  'file_format: "1.0"\ndisabled: perhaps',
  'file_format: "1.0"\ntracer_provider: 7',
  'file_format: "1.0"\nno_such_key: 1',
  'file_format: "1.0"\nresource: { attributes: [ { value: 1 } ] }',
  'file_format: "1.0"\nmeter_provider: { views: [ { stream: { } } ] }',
  'file_format: "1.0"\ndistribution: { tricord: { ring_bytes: big } }',
  'file_format: "1.0"\nresource: { attributes_list: "${a-b}" }',
];

/** A folder with all of them. The caller removes it. */
export function wrongFiles(): { readonly folder: string; readonly source: CaseSource } {
  const folder = mkdtempSync(join(tmpdir(), 'tricord-settings-'));
  const written = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const unreadable = [folder, join(folder, 'nowhere'), join(folder, 'nowhere/below')];
  const pems = [...unreadable, ...malformed.map((text, i) => written(`${i}.pem`, text))];
  const files = [...unreadable, ...configurations.map((text, i) => written(`${i}.yaml`, text))];
  const cases: readonly SettingCase[] = [
    ...certificates.flatMap(env => pems.map(path => ({ env: { [env]: path }, wrong: [env] }))),
    // A file is named by its path: what is wrong with it has a line in it.
    ...files.map(path => ({ env: { OTEL_CONFIG_FILE: path }, wrong: [path] })),
  ];
  return { folder, source: { count: cases.length, caseAt: point => cases[point]! } };
}
