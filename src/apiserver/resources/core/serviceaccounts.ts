import { SERVICEACCOUNTS } from '../../../api/gen/resources.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { tokenRequest } from './token-request.ts';

/** Mirrors pkg/registry/core/serviceaccount/strategy.go. */
export function serviceaccounts(environment: ResourceEnvironment): ResourceDefinition {
  return define(SERVICEACCOUNTS, {
    shortNames: ['sa'],
    subresources: [tokenRequest(environment)],
    columns: [
      nameColumn(),
      column('Secrets', 'string', ({ secrets }) => String(secrets?.length ?? 0)),
      ageColumn(),
    ],
  });
}
