import { TimeError, parseDuration } from '../../api/time.ts';
import { badRequest } from '../status-errors.ts';

/**
 * How long a request may take that is no watch and no stream: what its `timeout` says, where that is less than the
 * server's own. Throws BadRequest. Mirrors apiserver pkg/endpoints/filters/request_deadline.go.
 */
export function requestTimeoutMs(query: URLSearchParams, maxMs: number): number {
  const asked = query.get('timeout') ?? '';
  if (asked === '') return maxMs;
  try {
    const askedMs = Number(parseDuration(asked)) / 1_000_000;
    return askedMs > 0 && askedMs < maxMs ? askedMs : maxMs;
  } catch (error) {
    if (!(error instanceof TimeError)) throw error;
    throw badRequest(`invalid timeout specified in the request URL - ${error.message}`);
  }
}
