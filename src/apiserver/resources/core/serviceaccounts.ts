import { SERVICEACCOUNTS } from '../../../api/gen/resources.ts';
import type { ServiceAccount } from '../../../api/gen/types/core-v1.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { tokenRequest } from './token-request.ts';

/** Of the secrets only their names count. Mirrors cleanSecretReferences. */
function nameSecretsOnly(account: ServiceAccount): void {
  if (!account.secrets) return;
  account.secrets = account.secrets.map(({ name }) => (name === undefined ? {} : { name }));
}

const MOUNTABLE = 'kubernetes.io/enforce-mountable-secrets';

/** Once, when the annotation comes. */
function mountableWarnings({ metadata }: ServiceAccount, old?: ServiceAccount): string[] {
  const isNew = metadata?.annotations?.[MOUNTABLE] !== undefined;
  if (!isNew || old?.metadata?.annotations?.[MOUNTABLE] !== undefined) return [];
  const why = 'deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets';
  return [`metadata.annotations[${MOUNTABLE}]: ${why}`];
}

/** Mirrors pkg/registry/core/serviceaccount/strategy.go. */
export function serviceaccounts(environment: ResourceEnvironment): ResourceDefinition {
  return define(SERVICEACCOUNTS, {
    shortNames: ['sa'],
    strategy: {
      prepareForCreate: nameSecretsOnly,
      prepareForUpdate: nameSecretsOnly,
      returnsDeletedObject: true,
      warningsOnCreate: (account) => mountableWarnings(account),
      warningsOnUpdate: mountableWarnings,
    },
    subresources: [tokenRequest(environment)],
    columns: [
      nameColumn(),
      column('Secrets', 'string', ({ secrets }) => String(secrets?.length ?? 0)),
      ageColumn(),
    ],
  });
}
