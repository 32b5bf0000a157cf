import * as m from './admin-messages.ts';
import type { Method } from './endpoint.ts';
import { ANSWER, EMPTY, type Answer } from './messages.ts';

export const STATUS: Method<object, m.StatusResponse> = {
  path: '/etcdserverpb.Maintenance/Status',
  request: EMPTY,
  response: m.STATUS_RESPONSE,
};

export const HASH_KV: Method<{ revision: number }, m.HashKvResponse> = {
  path: '/etcdserverpb.Maintenance/HashKV',
  request: m.HASH_KV_REQUEST,
  response: m.HASH_KV_RESPONSE,
};

export const DEFRAGMENT: Method<object, Answer> = {
  path: '/etcdserverpb.Maintenance/Defragment',
  request: EMPTY,
  response: ANSWER,
};

export const SNAPSHOT: Method<object, m.SnapshotResponse> = {
  path: '/etcdserverpb.Maintenance/Snapshot',
  request: EMPTY,
  response: m.SNAPSHOT_RESPONSE,
};

export const ALARM: Method<m.AlarmMember & { action: number }, m.AlarmResponse> = {
  path: '/etcdserverpb.Maintenance/Alarm',
  request: m.ALARM_REQUEST,
  response: m.ALARM_RESPONSE,
};

export const MEMBER_LIST: Method<{ linearizable: boolean }, m.MembersAnswer> = {
  path: '/etcdserverpb.Cluster/MemberList',
  request: m.MEMBER_LIST_REQUEST,
  response: m.MEMBERS_ANSWER,
};

export const MEMBER_ADD: Method<{ peerUrls: string[]; isLearner: boolean }, m.MemberAddResponse> = {
  path: '/etcdserverpb.Cluster/MemberAdd',
  request: m.MEMBER_ADD_REQUEST,
  response: m.MEMBER_ADD_RESPONSE,
};

export const MEMBER_REMOVE: Method<{ id: string }, m.MembersAnswer> = {
  path: '/etcdserverpb.Cluster/MemberRemove',
  request: m.MEMBER_ID_REQUEST,
  response: m.MEMBERS_ANSWER,
};

export const MEMBER_PROMOTE: Method<{ id: string }, m.MembersAnswer> = {
  path: '/etcdserverpb.Cluster/MemberPromote',
  request: m.MEMBER_ID_REQUEST,
  response: m.MEMBERS_ANSWER,
};
