import type { MatchCondition } from '../../../api/gen/types/admissionregistration-v1.ts';
import type { KubeObject, ResourceInfo } from '../../../api/resource.ts';
import type { AdmissionAttributes } from '../../admission-plugin.ts';
import type { FieldError } from '../../field-error.ts';

/** A request as conditions see it: in the version that it matched under. */
export interface MatchInput {
  readonly attributes: AdmissionAttributes;
  /** What `matchResources` answered. */
  readonly matched: ResourceInfo;
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
  /** Of policies with a paramKind; null where there is none. */
  readonly params?: KubeObject | null;
}

/**
 * 'match': all conditions hold. 'skip': one is false (its name is in `condition`). 'error': none is false, but
 * some could not be evaluated; the caller applies its failure policy.
 */
export type MatchResult =
  | { readonly result: 'match' }
  | { readonly result: 'skip'; readonly condition: string }
  | { readonly result: 'error'; readonly message: string };

/** Conditions, compiled once for each generation of their webhook or policy. */
export interface CompiledMatchConditions {
  matches(input: MatchInput): Promise<MatchResult>;
}

/** Checks names and expressions, with upstream's texts; `path` is that of the list. */
export type ValidateMatchConditions = (
  conditions: readonly MatchCondition[],
  path: string,
  options?: { hasParams?: boolean },
) => FieldError[];
