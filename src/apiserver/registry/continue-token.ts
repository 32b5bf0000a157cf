import { badRequest } from '../status-errors.ts';

/** Where a list goes on: after which key, at which version of the store. */
export interface ContinuePoint {
  /** First key of the next page, relative to the list's prefix. */
  start: string;
  /** -1: at the newest version, as the old one is gone. */
  revision: number;
}

/** Upstream's form, so that tokens look alike. Mirrors apiserver pkg/storage/continue.go. */
export function encodeContinue(point: ContinuePoint): string {
  const json = JSON.stringify({ v: 'meta.k8s.io/v1', rv: point.revision, start: point.start });
  return Buffer.from(json).toString('base64url');
}

export function decodeContinue(token: string): ContinuePoint {
  let value: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString()) as typeof value;
  } catch {
    throw badRequest('continue key is not valid');
  }
  if (typeof value !== 'object' || value === null || value.v !== 'meta.k8s.io/v1') {
    throw badRequest('continue key is not valid: server does not recognize this encoded version');
  }
  if (typeof value.rv !== 'number' || !Number.isSafeInteger(value.rv) || value.rv === 0) {
    throw badRequest(
      'continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)',
    );
  }
  if (typeof value.start !== 'string' || value.start === '') {
    throw badRequest('continue key is not valid: encoded start key empty (version meta.k8s.io/v1)');
  }
  // Clients must not reach beyond the list's own prefix.
  if (value.start.split('/').some((part) => part === '..' || part === '.')) {
    throw badRequest(`continue key is not valid: ${value.start}`);
  }
  return { start: value.start, revision: value.rv };
}
