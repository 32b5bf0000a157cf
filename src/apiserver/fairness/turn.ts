import type { ApiRequest, ApiResponse, RequestInfo, UserInfo } from '../request-context.ts';
import { StatusError, tooManyRequests } from '../status-errors.ts';
import type { Entry, Fairness } from './fairness.ts';
import { Refused } from './queue-set.ts';
import type { Seated } from './queue-set.ts';

interface Asker {
  info: RequestInfo;
  user: UserInfo;
  request: ApiRequest;
  response: ApiResponse;
}

/**
 * Waits for the turn of a request, without a promise where it need not wait, and names its flow in the answer's
 * headers. The result ends the turn. Throws or rejects with 429. Mirrors apiserver pkg/server/filters/priority-and-fairness.go.
 */
export function takeTurn(fairness: Fairness, asker: Asker): (() => void) | Promise<() => void> {
  const { info, user, request, response } = asker;
  const limit = Number(request.query.get('limit') ?? 0) || 0;
  const entry = fairness.enter(info, user, limit, request.signal);
  response.setHeader('x-kubernetes-pf-flowschema-uid', entry.flowSchemaUid);
  response.setHeader('x-kubernetes-pf-prioritylevel-uid', entry.priorityLevelUid);
  if (typeof entry.seat === 'string') throw refusal(entry, response);
  if (entry.seat instanceof Promise) return wait(entry, entry.seat, response);
  const { seat } = entry;
  return () => seat.release();
}

async function wait(entry: Entry, seat: Promise<Seated>, response: ApiResponse): Promise<() => void> {
  try {
    const taken = await seat;
    return () => taken.release();
  } catch (error) {
    if (error instanceof Refused) throw refusal(entry, response);
    throw error;
  }
}

function refusal(entry: Entry, response: ApiResponse): StatusError {
  const seconds = entry.retryAfterSeconds();
  const text = 'Too many requests, please try again later.';
  response.setHeader('retry-after', String(seconds));
  return new StatusError(tooManyRequests(text, seconds).status, undefined, `${text}\n`);
}
