import type { ApiResponse, RequestContext } from './request-context.ts';

/** Answers paths that are no resources. */
export interface PathHandler {
  /** False: not mine. */
  handle(context: RequestContext, response: ApiResponse): Promise<boolean> | boolean;
}
