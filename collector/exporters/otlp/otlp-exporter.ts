// The `otlp` exporter: OTLP over gRPC.
import { z } from 'zod';
import { type ExporterFactory, factory } from '../../factory.ts';
import { GrpcSender, type GrpcTarget } from './grpc-sender.ts';
import { RequestExporter } from './request-exporter.ts';
import { type SharedSettings, sharedSettings } from './settings.ts';

interface OtlpExporterSettings extends SharedSettings {
  readonly endpoint: GrpcTarget;
}

/** `host:port`, or a URL whose scheme says whether it is TLS. Without one it is, unless `tls.insecure`. */
const target = z.string().transform((text, context) => {
  const match = /^(?:(https?):\/\/)?((?:\[[0-9a-fA-F:.]+\]|[^:[\]\s/]+):\d{1,5})\/?$/.exec(text);
  if (match !== null) return { authority: match[2]!, scheme: match[1] };
  const message = `"${text}" is no endpoint; write host:port, http://host:port or https://host:port`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const schema: z.ZodType<OtlpExporterSettings> = z
  .strictObject({ endpoint: target, ...sharedSettings })
  .transform(({ endpoint: { authority, scheme }, ...settings }) => {
    const secure = scheme === undefined ? !settings.tls.insecure : scheme === 'https';
    return { ...settings, endpoint: { authority, secure } };
  });

export const otlpExporter: ExporterFactory = factory(schema, async (settings, context) => {
  const sender = new GrpcSender(settings.endpoint, settings, `exporters.${context.id}`);
  return new RequestExporter(sender, settings, context);
});
