/**
 * Calls `fn` `count` times in batches of 1, 2, 4 …, and stops after a batch with a failure: a broken quota or
 * admission answers a few calls, not thousands. Returns how many succeeded and the first failure.
 */
export async function slowStart(
  count: number,
  fn: () => Promise<void>,
): Promise<{ successes: number; error: unknown }> {
  let successes = 0;
  for (let left = count, batch = Math.min(1, count); batch > 0; batch = Math.min(2 * batch, left)) {
    const results = await Promise.allSettled(Array.from({ length: batch }, fn));
    const failed = results.find((result) => result.status === 'rejected');
    successes += results.filter((result) => result.status === 'fulfilled').length;
    if (failed) return { successes, error: failed.reason as unknown };
    left -= batch;
  }
  return { successes, error: undefined };
}
