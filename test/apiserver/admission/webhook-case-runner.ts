import type { RawApi } from '../../helpers/raw-api.ts';
import type { WebhookServer } from '../../helpers/webhook-server.ts';
import { CREATE } from './webhook-cases.ts';
import type { WebhookCase } from './webhook-cases.ts';

export interface CaseAnswer {
  status: number;
  warnings: string[];
  body: unknown;
}

/** Registers the webhook, waits until it counts, sends the request, and takes the webhook away. */
export async function runCase(
  api: RawApi,
  server: WebhookServer,
  given: WebhookCase,
  settle: () => Promise<void>,
): Promise<CaseAnswer> {
  const kind = given.kind === 'mutating' ? 'MutatingWebhookConfiguration' : 'ValidatingWebhookConfiguration';
  const path = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}s`;
  server.handlers.set('/case', given.handler);
  const { caBundle, ...rest } = (given.webhook ?? {}) as { caBundle?: string };
  const clientConfig = server.clientConfig('/case');
  if (caBundle === 'other') clientConfig.caBundle = otherCa;
  const webhook = {
    name: 'case.example.com',
    clientConfig,
    rules: [
      { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] },
    ],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...rest,
  };
  const configuration = {
    kind,
    apiVersion: 'admissionregistration.k8s.io/v1',
    metadata: { name: 'case' },
    webhooks: [webhook],
  };
  const made = await api.post(path, configuration);
  if (made.status !== 201) throw new Error(made.body.toString());
  try {
    await settle();
    const request = given.request ?? CREATE;
    const sent = await api.request(request.method, request.path, {
      body: request.body,
    });
    const warning = sent.headers.warning ?? [];
    return {
      status: sent.status,
      warnings: Array.isArray(warning) ? warning : [warning],
      body: comparable(sent.json(), server.port),
    };
  } finally {
    await api.delete(`${path}/case`);
    await api.delete('/api/v1/namespaces/cases/configmaps/case');
    await api.delete('/api/v1/namespaces/cases/configmaps/other');
    await settle();
  }
}

let otherCa = '';

export function useOtherCa(pem: string): void {
  otherCa = Buffer.from(pem).toString('base64');
}

/** Without what no two servers share. */
function comparable(body: unknown, port: number): unknown {
  const text = JSON.stringify(body)
    .replaceAll(`127.0.0.1:${port}`, '127.0.0.1:PORT')
    .replaceAll(/127\.0\.0\.1:\d+->/g, '127.0.0.1:CLIENT->')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID');
  const value = JSON.parse(text) as { metadata?: Record<string, unknown>; details?: { uid?: string } };
  for (const name of ['uid', 'resourceVersion', 'creationTimestamp', 'managedFields'])
    delete value.metadata?.[name];
  return value;
}
