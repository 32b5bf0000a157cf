/** The messages of etcd's Cluster and Maintenance services; the source is that of messages.ts. */
import { messageType } from './codec.ts';
import { RESPONSE_HEADER, type Answer } from './messages.ts';

export interface EtcdMember {
  /** 16 hexadecimal digits. */
  id: string;
  /** Empty until the member has started for the first time. */
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

const MEMBER = messageType<EtcdMember>('Member', {
  id: [1, 'id'],
  name: [2, 'string'],
  peerUrls: [3, 'string', 'repeated'],
  clientUrls: [4, 'string', 'repeated'],
  isLearner: [5, 'bool'],
});

export const MEMBER_LIST_REQUEST = messageType<{ linearizable: boolean }>('MemberListRequest', {
  linearizable: [1, 'bool'],
});

export interface MembersAnswer extends Answer {
  members: EtcdMember[];
}

/** MemberListResponse, MemberRemoveResponse and MemberPromoteResponse are alike. */
export const MEMBERS_ANSWER = messageType<MembersAnswer>('MembersAnswer', {
  header: [1, RESPONSE_HEADER],
  members: [2, MEMBER, 'repeated'],
});

export const MEMBER_ADD_REQUEST = messageType<{ peerUrls: string[]; isLearner: boolean }>(
  'MemberAddRequest',
  { peerUrls: [1, 'string', 'repeated'], isLearner: [2, 'bool'] },
);

export interface MemberAddResponse extends Answer {
  member?: EtcdMember;
  members: EtcdMember[];
}

export const MEMBER_ADD_RESPONSE = messageType<MemberAddResponse>('MemberAddResponse', {
  header: [1, RESPONSE_HEADER],
  member: [2, MEMBER],
  members: [3, MEMBER, 'repeated'],
});

/** MemberRemoveRequest and MemberPromoteRequest are alike. */
export const MEMBER_ID_REQUEST = messageType<{ id: string }>('MemberIdRequest', { id: [1, 'id'] });

export interface StatusResponse extends Answer {
  version: string;
  /** Bytes of the database file, free pages included. */
  dbSize: number;
  /** '0000000000000000' where the member knows none. */
  leader: string;
  raftIndex: number;
  raftTerm: number;
  raftAppliedIndex: number;
  errors: string[];
  dbSizeInUse: number;
  isLearner: boolean;
}

export const STATUS_RESPONSE = messageType<StatusResponse>('StatusResponse', {
  header: [1, RESPONSE_HEADER],
  version: [2, 'string'],
  dbSize: [3, 'int'],
  leader: [4, 'id'],
  raftIndex: [5, 'int'],
  raftTerm: [6, 'int'],
  raftAppliedIndex: [7, 'int'],
  errors: [8, 'string', 'repeated'],
  dbSizeInUse: [9, 'int'],
  isLearner: [10, 'bool'],
});

export const HASH_KV_REQUEST = messageType<{ revision: number }>('HashKVRequest', { revision: [1, 'int'] });

export interface HashKvResponse extends Answer {
  hash: number;
  compactRevision: number;
}

export const HASH_KV_RESPONSE = messageType<HashKvResponse>('HashKVResponse', {
  header: [1, RESPONSE_HEADER],
  hash: [2, 'int'],
  compactRevision: [3, 'int'],
});

export interface SnapshotResponse {
  /** Bytes of the database that are still to come; the hash behind it is not counted. */
  remainingBytes: number;
  blob: Buffer;
}

export const SNAPSHOT_RESPONSE = messageType<SnapshotResponse>('SnapshotResponse', {
  remainingBytes: [2, 'int'],
  blob: [3, 'bytes'],
});

export const ALARM_ACTION = { get: 0, deactivate: 2 } as const;
export const ALARM_TYPE = { none: 0, noSpace: 1, corrupt: 2 } as const;

export interface AlarmMember {
  memberId: string;
  /** One of ALARM_TYPE. */
  alarm: number;
}

export const ALARM_REQUEST = messageType<AlarmMember & { action: number }>('AlarmRequest', {
  action: [1, 'int'],
  memberId: [2, 'id'],
  alarm: [3, 'int'],
});

const ALARM_MEMBER = messageType<AlarmMember>('AlarmMember', { memberId: [1, 'id'], alarm: [2, 'int'] });

export interface AlarmResponse extends Answer {
  alarms: AlarmMember[];
}

export const ALARM_RESPONSE = messageType<AlarmResponse>('AlarmResponse', {
  header: [1, RESPONSE_HEADER],
  alarms: [2, ALARM_MEMBER, 'repeated'],
});
