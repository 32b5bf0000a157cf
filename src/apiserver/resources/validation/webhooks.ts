import { child, invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { dnsSubdomain, portNumber } from './formats.ts';

/** Where a webhook is reached through the cluster. */
export interface WebhookService {
  namespace?: string;
  name?: string;
  path?: string;
  port?: number;
}

const FORM = '; desired format: https://host[/path]';

/** Mirrors ValidateWebhookURL of apiserver pkg/util/webhook/validation.go. */
export function validateWebhookUrl(path: string, text: string): FieldError[] {
  let url: URL;
  try {
    // Without a scheme Go sees a path where the WHATWG parser sees nothing.
    url = new URL(text);
  } catch {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase() ?? '';
    const rest = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, '');
    return [
      ...(scheme === 'https' ? [] : [invalid(path, scheme, `'https' is the only allowed URL scheme${FORM}`)]),
      ...(rest === '' || rest === text ? [invalid(path, '', `host must be specified${FORM}`)] : []),
    ];
  }
  const errors: FieldError[] = [];
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'https') {
    errors.push(invalid(path, scheme, `'https' is the only allowed URL scheme${FORM}`));
  }
  if (url.host === '') errors.push(invalid(path, '', `host must be specified${FORM}`));
  if (url.username !== '' || url.password !== '') {
    const user = url.password === '' ? url.username : `${url.username}:${url.password}`;
    errors.push(invalid(path, user, 'user information is not permitted in the URL'));
  }
  const fragment = /#(.+)$/s.exec(text)?.[1];
  if (fragment !== undefined) {
    errors.push(invalid(path, fragment, 'fragments are not permitted in the URL'));
  }
  const query = /\?([^#]+)/s.exec(text)?.[1];
  if (query !== undefined) {
    errors.push(invalid(path, query, 'query parameters are not permitted in the URL'));
  }
  return errors;
}

/** Mirrors ValidateWebhookService of apiserver pkg/util/webhook/validation.go. */
export function validateWebhookService(path: string, service: WebhookService): FieldError[] {
  const errors: FieldError[] = [];
  if (!service.name) errors.push(required(child(path, 'name')));
  if (!service.namespace) errors.push(required(child(path, 'namespace')));
  const problems = portNumber(service.port ?? 443);
  if (problems.length > 0) {
    errors.push(invalid(child(path, 'port'), service.port, `port is not valid: ${problems.join(', ')}`));
  }
  const where = service.path;
  if (where === undefined || where === '' || where === '/') return errors;
  const field = child(path, 'path');
  if (where === '//') return [...errors, invalid(field, where, 'segment[0] may not be empty')];
  if (!where.startsWith('/')) errors.push(invalid(field, where, "must start with a '/'"));
  const steps = where.slice(1).replace(/\/$/, '').split('/');
  for (const [index, step] of steps.entries()) {
    if (step === '') {
      errors.push(invalid(field, where, `segment[${index}] may not be empty`));
      continue;
    }
    for (const problem of dnsSubdomain(step)) {
      errors.push(invalid(field, where, `segment[${index}]: ${problem}`));
    }
  }
  return errors;
}
