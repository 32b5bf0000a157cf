import { SlipwayError } from '../../base/errors.ts';

/** 'must': an installation is refused. 'should': it works, worse than it could. 'fine': looked at, and good. */
export type Severity = 'must' | 'should' | 'fine';

/** What a check found out about a server, about the way between two, or (without `node`) about all of them. */
export interface Finding {
  severity: Severity;
  /** Stable id of the rule. */
  check: string;
  node?: string;
  /** The other end, where the finding is of a way between two servers. */
  peer?: string;
  message: string;
  remedy?: string;
}

/** What a rule complains about; the rule's id and the server are added by whoever runs it. */
export interface Problem {
  severity: 'must' | 'should';
  message: string;
  remedy: string;
}

export const must = (message: string, remedy: string): Problem => ({ severity: 'must', message, remedy });
export const should = (message: string, remedy: string): Problem => ({ severity: 'should', message, remedy });

const ORDER: Record<Severity, number> = { must: 0, should: 1, fine: 2 };

/** The worst first, then by server. */
export const bySeverity = (findings: readonly Finding[]): Finding[] =>
  findings.toSorted(
    (a, b) =>
      ORDER[a.severity] - ORDER[b.severity] ||
      (a.node ?? '').localeCompare(b.node ?? '') ||
      a.check.localeCompare(b.check),
  );

/** 'cp1: …', 'cp1 → w1: …', or the bare sentence. */
export function describeFinding({ node, peer, message }: Finding): string {
  if (node === undefined) return message;
  return `${node}${peer === undefined ? '' : ` → ${peer}`}: ${message}`;
}

/** E_PREFLIGHT that tells of everything that must be fixed, where anything must. */
export function refuseWhereMust(findings: readonly Finding[]): void {
  const faults = findings.filter(({ severity }) => severity === 'must');
  if (faults.length === 0) return;
  const remedies = new Set(faults.flatMap(({ remedy }) => remedy ?? []));
  throw new SlipwayError('E_PREFLIGHT', faults.map(describeFinding).join('\n  '), {
    hint: [...remedies].join('\nhint: '),
  });
}
