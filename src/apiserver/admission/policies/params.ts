import type { ParamKind, ParamRef } from '../../../api/gen/types/admissionregistration-v1.ts';
import type { KubeObject } from '../../../api/resource.ts';
import { apiVersionOf } from '../../../api/resource.ts';
import type { MatchEnvironment } from '../match-resources.ts';
import { selectorMatches } from '../../resources/validation/selectors.ts';

/** A policy or binding cannot be used as it is; the policy's failurePolicy says what then. */
export class ConfigurationError extends Error {}

/**
 * The parameters that a policy is evaluated with, once for each; one null where it has none. Rejects with
 * ConfigurationError. Mirrors CollectParams of apiserver pkg/admission/plugin/policy/generic/policy_dispatcher.go.
 */
export async function collectParams(
  kind: ParamKind | undefined,
  ref: ParamRef | undefined,
  namespace: string,
  { store, table }: MatchEnvironment,
): Promise<Array<KubeObject | null>> {
  if (!kind || !ref) return [null];
  const served = table
    .all()
    .find(
      ({ info, definition }) =>
        info.kind === kind.kind && apiVersionOf(info) === kind.apiVersion && !definition.virtual,
    );
  if (!served) throw new ConfigurationError(`paramKind kind \`${kindText(kind)}\` not known`);
  const { info } = served;
  if (!info.namespaced && ref.namespace) {
    throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  }
  const from = ref.namespace || namespace;
  if (info.namespaced && from === '') {
    throw new ConfigurationError(
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    );
  }
  const where = info.namespaced ? from : undefined;
  const { selector } = ref;
  let params: KubeObject[];
  if (ref.name) {
    const found = await store.get(info, ref.name, where);
    params = found ? [found] : [];
  } else {
    const all = await store.list(info, where);
    params = all.filter((each) => selector && selectorMatches(selector, each.metadata?.labels));
  }
  if (params.length === 0 && ref.parameterNotFoundAction === 'Deny') {
    throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
  }
  return params.map((each) => ({ ...each, apiVersion: kind.apiVersion ?? '', kind: kind.kind ?? '' }));
}

/** As Go prints the struct. */
function kindText({ apiVersion = '', kind = '' }: ParamKind): string {
  return `&ParamKind{APIVersion:${apiVersion},Kind:${kind},}`;
}
