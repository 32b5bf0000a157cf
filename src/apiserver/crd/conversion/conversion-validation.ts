import type { CustomResourceConversion } from '../../../api/gen/types/apiextensions-v1.ts';
import { at, child, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { dns1035Label } from '../../resources/validation/formats.ts';
import { validateWebhookService, validateWebhookUrl } from '../../resources/validation/webhooks.ts';

const REVIEW_VERSIONS = ['v1', 'v1beta1'];
const STRATEGIES = ['None', 'Webhook'];

/**
 * `spec.conversion`. Fields are called as in upstream's internal form. Mirrors
 * apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
 */
export function validateConversion(
  conversion: CustomResourceConversion | undefined,
  old: CustomResourceConversion | undefined,
): FieldError[] {
  if (!conversion) return [];
  const path = 'spec.conversion';
  const { strategy, webhook } = conversion;
  const errors: FieldError[] = [];
  if (!strategy) errors.push(required(child(path, 'strategy')));
  else if (!STRATEGIES.includes(strategy)) {
    errors.push(notSupported(child(path, 'strategy'), strategy, STRATEGIES));
  }
  const versions = webhook?.conversionReviewVersions ?? [];
  const clientPath = child(path, 'webhookClientConfig');
  const versionsPath = child(path, 'conversionReviewVersions');
  if (strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    if (webhook?.clientConfig) errors.push(forbidden(clientPath, why));
    if (versions.length > 0) errors.push(forbidden(versionsPath, why));
    return errors;
  }
  if (webhook?.clientConfig) errors.push(...validateClientConfig(clientPath, webhook.clientConfig));
  else errors.push(required(clientPath, 'required when strategy is set to Webhook'));
  const before = old?.webhook?.conversionReviewVersions;
  const isLenient = before !== undefined && !before.some((version) => REVIEW_VERSIONS.includes(version));
  return [...errors, ...validateVersions(versionsPath, versions, isLenient)];
}

function validateClientConfig(
  path: string,
  { url, service, caBundle }: NonNullable<NonNullable<CustomResourceConversion['webhook']>['clientConfig']>,
): FieldError[] {
  const errors: FieldError[] = [];
  if ((url === undefined) === (service === undefined)) {
    errors.push(required(path, 'exactly one of url or service is required'));
  } else if (url !== undefined) errors.push(...validateWebhookUrl(child(path, 'url'), url));
  else if (service) errors.push(...validateWebhookService(child(path, 'service'), service));
  const pem = Buffer.from(caBundle ?? '', 'base64').toString('utf8');
  if (pem.trim() !== '' && !pem.includes('-----BEGIN CERTIFICATE-----')) {
    const why = 'unable to load root certificates: unable to parse bytes as PEM block';
    errors.push(invalid(child(path, 'caBundle'), caBundle, why));
  }
  return errors;
}

function validateVersions(path: string, versions: readonly string[], isLenient: boolean): FieldError[] {
  if (versions.length === 0) return [required(path)];
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    if (seen.has(version)) {
      errors.push(invalid(at(path, index), version, 'duplicate version'));
      continue;
    }
    seen.add(version);
    for (const problem of dns1035Label(version)) errors.push(invalid(at(path, index), version, problem));
  }
  if (!isLenient && !REVIEW_VERSIONS.some((version) => seen.has(version))) {
    errors.push(invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`));
  }
  return errors;
}
