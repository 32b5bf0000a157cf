import type { KubeObject } from '../../api/resource.ts';
import type { FieldError } from '../field-error.ts';
import { invalid, notSupported } from '../field-error.ts';
import type { ObjectDeleteOptions } from '../object-store.ts';
import { badRequest, invalidObject } from '../status-errors.ts';
import { dryRunErrors } from './write-options.ts';

const POLICIES = ['Foreground', 'Background', 'Orphan'];

interface DeleteOptionsBody extends KubeObject {
  gracePeriodSeconds?: number;
  orphanDependents?: boolean;
  propagationPolicy?: string;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: string[];
}

/** DeleteOptions of the body, or of the query where there is no body. */
export function parseDeleteOptions(
  query: URLSearchParams,
  body: KubeObject | undefined,
): { options: ObjectDeleteOptions; dryRun: boolean; object: KubeObject } {
  const given: DeleteOptionsBody = body ?? fromQuery(query);
  const dryRun = given.dryRun ?? [];
  const errors: FieldError[] = [];
  const policy = given.propagationPolicy ?? undefined;
  if (policy !== undefined && given.orphanDependents !== undefined) {
    const detail = 'orphanDependents and deletionPropagation cannot be both set';
    errors.push(invalid('propagationPolicy', policy, detail));
  }
  if (policy !== undefined && !POLICIES.includes(policy)) {
    errors.push(notSupported('propagationPolicy', policy, [...POLICIES, 'nil']));
  }
  errors.push(...dryRunErrors(dryRun));
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
  const options: ObjectDeleteOptions = {};
  if (given.gracePeriodSeconds !== undefined) options.gracePeriodSeconds = given.gracePeriodSeconds;
  if (given.preconditions) options.preconditions = given.preconditions;
  if (policy !== undefined) {
    options.propagationPolicy = policy as NonNullable<ObjectDeleteOptions['propagationPolicy']>;
  } else if (given.orphanDependents !== undefined) {
    options.propagationPolicy = given.orphanDependents ? 'Orphan' : 'Background';
  }
  return {
    options,
    dryRun: dryRun.length > 0,
    object: { ...given, kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1' },
  };
}

function fromQuery(query: URLSearchParams): DeleteOptionsBody {
  const given: DeleteOptionsBody = {};
  const grace = query.get('gracePeriodSeconds');
  if (grace !== null && grace !== '') {
    if (!/^-?\d{1,18}$/.test(grace)) {
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
    }
    given.gracePeriodSeconds = Number(grace);
  }
  const policy = query.get('propagationPolicy');
  if (policy !== null && policy !== '') given.propagationPolicy = policy;
  const orphan = query.get('orphanDependents');
  if (orphan !== null && orphan !== '') given.orphanDependents = orphan === 'true' || orphan === '1';
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  if (dryRun.length > 0) given.dryRun = dryRun;
  return given;
}
