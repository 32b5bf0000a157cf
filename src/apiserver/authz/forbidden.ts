import type { AuthorizationAttributes } from '../authorization.ts';
import { jsonQuote } from '../json-quote.ts';
import { forbiddenRequest } from '../status-errors.ts';
import type { StatusError } from '../status-errors.ts';

/** The 403 for a refused request. Mirrors apiserver pkg/endpoints/handlers/responsewriters/errors.go. */
export function forbiddenError(attributes: AuthorizationAttributes, reason: string): StatusError {
  const message = sanitize(sentence(attributes));
  const resource = attributes.isResourceRequest
    ? { group: attributes.group, resource: attributes.resource }
    : { group: '', resource: '' };
  const name = attributes.isResourceRequest ? attributes.name : '';
  return forbiddenRequest(resource, name, reason === '' ? message : `${message}: ${reason}`);
}

function sentence(attributes: AuthorizationAttributes): string {
  const who = `User ${jsonQuote(attributes.user.name)} cannot ${attributes.verb}`;
  if (!attributes.isResourceRequest) return `${who} path ${jsonQuote(attributes.path)}`;
  const resource =
    attributes.subresource === '' ? attributes.resource : `${attributes.resource}/${attributes.subresource}`;
  const what = `${who} resource ${jsonQuote(resource)} in API group ${jsonQuote(attributes.group)}`;
  return attributes.namespace === ''
    ? `${what} at the cluster scope`
    : `${what} in the namespace ${jsonQuote(attributes.namespace)}`;
}

/** Keeps a name with angle brackets from looking like HTML to a browser. */
function sanitize(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
