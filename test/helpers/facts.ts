import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

const FACTS = join(import.meta.dirname, '../../../shared/facts');

/** Reads one file of the facts of Kubernetes that may stand beside the checkout. */
export function readFacts(name: string): string {
  return readFileSync(join(FACTS, name), 'utf8');
}

export function hasFacts(name: string): boolean {
  return existsSync(join(FACTS, name));
}

/** A test against the facts; where they are not beside the checkout it is skipped, and says so. */
export function testWithFacts(title: string, run: (t: ExecutionContext) => void): void {
  if (hasFacts('resources.jsonl')) test(title, run);
  else test.skip(`${title} (the facts are not beside the checkout)`, run);
}
