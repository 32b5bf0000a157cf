import { forbidden, invalid, notSupported } from '../../field-error.ts';
import { badRequest, invalidObject } from '../../status-errors.ts';
import type { Errors } from '../validation/checks.ts';

/** What of a log request goes to the kubelet. */
export interface LogQuery {
  params: URLSearchParams;
  container: string;
}

/** Reads and checks the options of a log request. Throws 400 or 422. Mirrors ValidatePodLogOptions. */
export function logOptions(query: URLSearchParams, podName: string): LogQuery {
  const params = new URLSearchParams();
  const errors: Errors = [];
  for (const name of ['follow', 'previous', 'timestamps']) {
    const value = query.get(name);
    if (value !== null && value !== '0' && value.toLowerCase() !== 'false') params.set(name, 'true');
  }
  const sinceSeconds = integer(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime') || undefined;
  const tailLines = integer(query, 'tailLines');
  const limitBytes = integer(query, 'limitBytes');
  const stream = query.get('stream') || 'All';
  if (tailLines !== undefined && tailLines < 0) {
    errors.push(invalid('tailLines', tailLines, 'must be greater than or equal to 0'));
  }
  if (limitBytes !== undefined && limitBytes < 1) {
    errors.push(invalid('limitBytes', limitBytes, 'must be greater than 0'));
  }
  if (sinceSeconds !== undefined && sinceTime !== undefined) {
    errors.push(forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  } else if (sinceSeconds !== undefined && sinceSeconds < 1) {
    errors.push(invalid('sinceSeconds', sinceSeconds, 'must be greater than 0'));
  }
  if (!['All', 'Stderr', 'Stdout'].includes(stream)) {
    errors.push(notSupported('stream', stream, ['All', 'Stderr', 'Stdout']));
  } else if (stream !== 'All' && tailLines !== undefined) {
    errors.push(forbidden('', '`tailLines` and specific `stream` are mutually exclusive for now'));
  }
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime))) {
    throw badRequest(`parsing time ${JSON.stringify(sinceTime)} as RFC 3339 failed`);
  }
  if (errors.length > 0) throw invalidObject({ group: '', kind: 'PodLogOptions' }, podName, errors);
  const set = (name: string, value: number | string | undefined) => {
    if (value !== undefined) params.set(name, String(value));
  };
  set('sinceSeconds', sinceSeconds);
  set('sinceTime', sinceTime);
  set('tailLines', tailLines);
  set('limitBytes', limitBytes);
  params.set('stream', stream);
  return { params, container: query.get('container') ?? '' };
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?[0-9]+$/.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return Number(text);
}
