import { SlipwayError } from '../../base/errors.ts';
import { elementText } from './path-element.ts';
import type { PathElement } from './path-element.ts';

/** What is applied is not of its type, or managedFields cannot be read; the message is upstream's. */
export class ApplyError extends SlipwayError {
  /** 400 where the client is told that its request is wrong, 500 where upstream has no better code. */
  readonly status: 400 | 500;

  constructor(status: 400 | 500, message: string, cause?: unknown) {
    super('E_APPLY', message, {
      hint: 'check the applied configuration against the kind’s schema',
      ...(cause === undefined ? {} : { cause }),
    });
    this.status = status;
  }
}

export interface Conflict {
  /** The manager's identifier: see managed-fields.ts. */
  readonly manager: string;
  readonly path: readonly PathElement[];
}

/** Others own fields that the applied configuration sets to something else. */
export class ApplyConflictError extends SlipwayError {
  readonly conflicts: readonly Conflict[];

  constructor(conflicts: readonly Conflict[]) {
    super('E_APPLY_CONFLICT', conflictMessage(conflicts), {
      hint: 'apply with force to take the fields over, or leave them out',
    });
    this.conflicts = conflicts;
  }

  /** For the causes of a Status. */
  causes(): Array<{ reason: string; message: string; field: string }> {
    return this.conflicts.map(({ manager, path }) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with ${managerText(manager)}`,
      field: pathText(path),
    }));
  }
}

export function pathText(path: readonly PathElement[]): string {
  return path.map(elementText).join('');
}

/** Mirrors apimachinery pkg/util/managedfields/internal/conflict.go. */
function conflictMessage(conflicts: readonly Conflict[]): string {
  const [only] = conflicts;
  if (conflicts.length === 1 && only) {
    return `Apply failed with 1 conflict: conflict with ${managerText(only.manager)}: ${pathText(only.path)}`;
  }
  const lines: string[] = [];
  for (const manager of [...new Set(conflicts.map((conflict) => conflict.manager))].sort()) {
    lines.push(`conflicts with ${managerText(manager)}:`);
    for (const { path } of conflicts.filter((each) => each.manager === manager)) {
      lines.push(`- ${pathText(path)}`);
    }
  }
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

function managerText(identifier: string): string {
  const { manager, operation, apiVersion, subresource } = JSON.parse(identifier) as Record<
    string,
    string | undefined
  >;
  let text = JSON.stringify(manager ?? '');
  if (subresource) text += ` with subresource ${JSON.stringify(subresource)}`;
  return operation === 'Update' ? `${text} using ${apiVersion ?? ''}` : text;
}
