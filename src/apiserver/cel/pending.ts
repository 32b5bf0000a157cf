/** Thrown by a part of an expression that has to wait for something: await `ready`, then evaluate again. */
export class Pending extends Error {
  override readonly name: string = 'Pending';
  readonly ready: () => Promise<void>;

  constructor(ready: () => Promise<void>) {
    super('the answer is not here yet');
    this.ready = ready;
  }
}

/** Runs `evaluate` until it needs to wait for nothing more. It must remember what it has waited for. */
export async function settled<T>(evaluate: () => T): Promise<T> {
  for (;;) {
    try {
      return evaluate();
    } catch (error) {
      if (!(error instanceof Pending)) throw error;
      await error.ready();
    }
  }
}
