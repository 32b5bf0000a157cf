import type { PersistentVolumeClaimSpec } from '../../../api/gen/types/core-v1.ts';
import { jsonQuote } from '../../json-quote.ts';
import { child, key } from '../validation/checks.ts';
import { canonicalQuantity, isQuantity, isWholeQuantity } from '../validation/quantities.ts';

/** Mirrors GetWarningsForPersistentVolumeClaimSpec of pkg/api/persistentvolumeclaim/util.go. */
export function claimSpecWarnings(path: string, spec: PersistentVolumeClaimSpec): string[] {
  return (['requests', 'limits'] as const).flatMap((list) => {
    const amount = spec.resources?.[list]?.['storage'];
    if (amount === undefined || !isQuantity(amount) || isWholeQuantity(amount)) return [];
    const field = key(child(path, 'resources', list), 'storage');
    const shown = jsonQuote(canonicalQuantity(amount));
    return [`${field}: fractional byte value ${shown} is invalid, must be an integer`];
  });
}
