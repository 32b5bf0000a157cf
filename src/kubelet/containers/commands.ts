import type { Container } from '../../api/gen/types/core-v1.ts';
import { expand } from '../environment/expand.ts';

/** command and args with $(VAR) references to the container's variables put in. */
export function expandedCommand(
  container: Container,
  environment: ReadonlyMap<string, string>,
): { command: string[]; args: string[] } {
  const put = (text: string) => expand(text, (name) => environment.get(name));
  return { command: (container.command ?? []).map(put), args: (container.args ?? []).map(put) };
}

/** A probe's or hook's command: only variables with a literal value are known. Mirrors ExpandContainerCommandOnlyStatic. */
export function expandStatic(command: string[], container: Container): string[] {
  const literals = new Map(
    (container.env ?? []).filter(({ valueFrom }) => !valueFrom).map(({ name, value }) => [name, value ?? '']),
  );
  return command.map((text) => expand(text, (name) => literals.get(name)));
}
