/** Resolves in the next turn of the event loop: what else waits is served before. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
