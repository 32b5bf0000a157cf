import type { ListOptions, WatchOptions, WriteOptions } from './client.ts';

export type Query = Record<string, string | number | boolean | undefined>;

/** The path with its query; what is undefined, '' or false is left out. */
export function withQuery(path: string, query: Query): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === '' || value === false) continue;
    parts.push(`${key}=${encodeURIComponent(value)}`);
  }
  return parts.length === 0 ? path : `${path}?${parts.join('&')}`;
}

export function listQuery(options: ListOptions): Query {
  const { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch } = options;
  const query = { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch };
  return { ...query, continue: options.continue };
}

export function watchQuery(options: WatchOptions): Query {
  const { labelSelector, fieldSelector, resourceVersion, allowWatchBookmarks } = options;
  const { sendInitialEvents, timeoutSeconds } = options;
  return {
    watch: true,
    labelSelector,
    fieldSelector,
    resourceVersion,
    allowWatchBookmarks,
    sendInitialEvents,
    // The server demands the match together with sendInitialEvents.
    resourceVersionMatch: sendInitialEvents ? 'NotOlderThan' : undefined,
    timeoutSeconds,
  };
}

export function writeQuery(options: WriteOptions): Query {
  return { dryRun: options.dryRun ? 'All' : undefined, fieldManager: options.fieldManager };
}
