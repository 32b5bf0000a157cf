import type { StatusResponse } from './admin-messages.ts';

/** One member's own view. */
export interface EtcdMemberStatus {
  id: string;
  clusterId: string;
  version: string;
  /** Id of the member that leads; undefined where this one knows none. */
  leader: string | undefined;
  isLearner: boolean;
  revision: number;
  raftTerm: number;
  raftIndex: number;
  raftAppliedIndex: number;
  dbSizeBytes: number;
  dbSizeInUseBytes: number;
  /** Alarms and the like, in etcd's words. */
  errors: string[];
}

export function statusOf(answer: StatusResponse): EtcdMemberStatus {
  const { header, leader } = answer;
  return {
    id: header?.memberId ?? '',
    clusterId: header?.clusterId ?? '',
    version: answer.version,
    leader: /^0+$/.test(leader) ? undefined : leader,
    isLearner: answer.isLearner,
    revision: header?.revision ?? 0,
    raftTerm: answer.raftTerm,
    raftIndex: answer.raftIndex,
    raftAppliedIndex: answer.raftAppliedIndex,
    dbSizeBytes: answer.dbSize,
    dbSizeInUseBytes: answer.dbSizeInUse,
    errors: answer.errors,
  };
}
