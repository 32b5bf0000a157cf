import { isObject } from '../../api/objects.ts';
import { loadYaml } from '../../api/json/yaml.ts';
import { SlipwayError } from '../../base/errors.ts';
import type { AuthorizerOption } from '../api-server-options.ts';
import type { WebhookTarget } from '../webhook-client/webhook-client.ts';
import type { AuthorizationWebhookOptions } from './webhook-authorizer.ts';

interface AuthorizerConfig {
  type?: string;
  name?: string;
  webhook?: {
    authorizedTTL?: string;
    unauthorizedTTL?: string;
    timeout?: string;
    subjectAccessReviewVersion?: string;
    failurePolicy?: string;
    connectionInfo?: { type?: string; kubeConfigFile?: string };
    matchConditions?: Array<{ expression?: string }>;
  };
}

const VERSIONS = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);

/** What only the command line knows: files of connections, and how durations are written. */
export interface ConfigReader {
  target(file: string): WebhookTarget;
  /** In milliseconds. */
  duration(text: string): number;
}

/**
 * Reads an AuthorizationConfiguration of apiserver.config.k8s.io. Throws E_AUTHORIZATION_CONFIG with the field
 * that is wrong. Mirrors apiserver pkg/apis/apiserver/validation/validation.go.
 */
export function parseAuthorizationConfig(text: string, reader: ConfigReader): AuthorizerOption[] {
  const { value } = loadYaml(text);
  if (
    !isObject(value) ||
    value.kind !== 'AuthorizationConfiguration' ||
    !VERSIONS.includes(String(value.apiVersion))
  ) {
    throw bad('it is no AuthorizationConfiguration of apiserver.config.k8s.io');
  }
  try {
    return checkedConfig((value.authorizers ?? []) as AuthorizerConfig[], reader);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw bad(`a field is of another type than it should be: ${error.message}`);
  }
}

function checkedConfig(authorizers: AuthorizerConfig[], reader: ConfigReader): AuthorizerOption[] {
  if (authorizers.length === 0)
    throw bad('authorizers: Required value: at least one authorization mode must be defined');
  const seen = new Set<string>();
  return authorizers.map((authorizer, index) => {
    const path = `authorizers[${index}]`;
    const { type = '', name = '', webhook } = authorizer;
    const key = type === 'Webhook' ? `Webhook ${name}` : type;
    if (seen.has(key)) throw bad(`${path}.type: Duplicate value: ${JSON.stringify(type)}`);
    seen.add(key);
    if (type === 'Node' || type === 'RBAC') {
      if (webhook)
        throw bad(`${path}.webhook: Invalid value: "non-null": may only be specified when type=Webhook`);
      return type;
    }
    if (type !== 'Webhook') {
      throw bad(
        `${path}.type: Unsupported value: ${JSON.stringify(type)}: supported values: "Node", "RBAC", "Webhook"`,
      );
    }
    if (name === '') throw bad(`${path}.name: Required value`);
    if (!webhook) throw bad(`${path}.webhook: Required value: required when type=Webhook`);
    return webhookOf(`${path}.webhook`, webhook, reader);
  });
}

function webhookOf(
  path: string,
  webhook: NonNullable<AuthorizerConfig['webhook']>,
  reader: ConfigReader,
): AuthorizationWebhookOptions {
  const { connectionInfo, failurePolicy, timeout, subjectAccessReviewVersion: version } = webhook;
  if (version !== 'v1' && version !== 'v1beta1') {
    throw bad(`${path}.subjectAccessReviewVersion: Unsupported value: ${JSON.stringify(version ?? '')}`);
  }
  if (timeout === undefined) throw bad(`${path}.timeout: Required value`);
  const timeoutMs = reader.duration(timeout);
  if (timeoutMs <= 0 || timeoutMs > 30_000)
    throw bad(`${path}.timeout: Invalid value: "${timeout}": must be <= 30s`);
  if (failurePolicy !== 'NoOpinion' && failurePolicy !== 'Deny') {
    throw bad(
      `${path}.failurePolicy: Unsupported value: ${JSON.stringify(failurePolicy ?? '')}: supported values: "Deny", "NoOpinion"`,
    );
  }
  if (connectionInfo?.type !== 'KubeConfigFile' || !connectionInfo.kubeConfigFile) {
    throw bad(`${path}.connectionInfo: Required value: a kubeConfigFile is required`);
  }
  return {
    target: reader.target(connectionInfo.kubeConfigFile),
    version,
    timeoutMs,
    onFailure: failurePolicy === 'Deny' ? 'deny' : 'noOpinion',
    authorizedTtlMs: reader.duration(webhook.authorizedTTL ?? '5m'),
    unauthorizedTtlMs: reader.duration(webhook.unauthorizedTTL ?? '30s'),
    matchConditions: (webhook.matchConditions ?? []).map(({ expression = '' }) => expression),
  };
}

function bad(why: string): SlipwayError {
  return new SlipwayError('E_AUTHORIZATION_CONFIG', `the authorization configuration cannot be used: ${why}`);
}
