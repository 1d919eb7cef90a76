// Says under which name the application's telemetry will appear, and where the name comes from.
import { type Finding, ok, warning } from './finding.ts';
import { namedManifest } from './packages.ts';
import type { Settings } from './settings.ts';

const NAME = 'set OTEL_SERVICE_NAME';

/** @param folder of the application's file */
export function judgeService(folder: string, { options, file }: Settings): Finding {
  const { serviceName, resourceAttributes, resourceDetectors } = options;
  if (serviceName !== '') return found(serviceName, file ?? 'OTEL_SERVICE_NAME');
  const readsEnv = resourceDetectors.includes('all') || resourceDetectors.includes('env');
  const attribute = readsEnv ? resourceAttributes['service.name'] : undefined;
  if (attribute) return found(String(attribute), file ?? 'OTEL_RESOURCE_ATTRIBUTES');
  const manifest = namedManifest(folder);
  if (manifest !== undefined) return found(manifest.name, manifest.file);
  return warning(
    'service',
    'service.name',
    'the service has no name: it appears as unknown_service:node',
    NAME,
  );
}

const found = (name: string, source: string): Finding =>
  ok('service', 'service.name', `the service is ${JSON.stringify(name)}, from ${source}`);
