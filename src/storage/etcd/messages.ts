/**
 * The messages of etcd's API that we use, by the field numbers of etcdserverpb/rpc.proto and mvccpb/kv.proto
 * in the Go module go.etcd.io/etcd/api/v3 v3.6.4 (servers from 3.4 on). Fields that we neither send nor read
 * are left out; a reader skips them.
 */
import { messageType } from './codec.ts';

/** Every answer says which cluster and member gave it, and the store's revision there. */
export interface ResponseHeader {
  clusterId: string;
  memberId: string;
  revision: number;
  raftTerm: number;
}

export const RESPONSE_HEADER = messageType<ResponseHeader>('ResponseHeader', {
  clusterId: [1, 'id'],
  memberId: [2, 'id'],
  revision: [3, 'int'],
  raftTerm: [4, 'int'],
});

export interface Answer {
  header?: ResponseHeader;
}

export const ANSWER = messageType<Answer>('Answer', { header: [1, RESPONSE_HEADER] });

export const EMPTY = messageType<object>('Empty', {});

export interface EtcdKeyValue {
  key: Buffer;
  createRevision: number;
  modRevision: number;
  value: Buffer;
}

const KEY_VALUE = messageType<EtcdKeyValue>('KeyValue', {
  key: [1, 'bytes'],
  createRevision: [2, 'int'],
  modRevision: [3, 'int'],
  value: [5, 'bytes'],
});

export interface RangeRequest {
  key: Buffer;
  rangeEnd?: Buffer;
  limit?: number;
  revision?: number;
  /** Answered by the member alone, without asking the others whether it is up to date. */
  serializable?: boolean;
  keysOnly?: boolean;
  countOnly?: boolean;
}

export const RANGE_REQUEST = messageType<RangeRequest>('RangeRequest', {
  key: [1, 'bytes'],
  rangeEnd: [2, 'bytes'],
  limit: [3, 'int'],
  revision: [4, 'int'],
  serializable: [7, 'bool'],
  keysOnly: [8, 'bool'],
  countOnly: [9, 'bool'],
});

export interface RangeResponse extends Answer {
  kvs: EtcdKeyValue[];
  more: boolean;
  count: number;
}

export const RANGE_RESPONSE = messageType<RangeResponse>('RangeResponse', {
  header: [1, RESPONSE_HEADER],
  kvs: [2, KEY_VALUE, 'repeated'],
  more: [3, 'bool'],
  count: [4, 'int'],
});

export interface PutRequest {
  key: Buffer;
  value: Buffer;
  prevKv: boolean;
}

export const PUT_REQUEST = messageType<PutRequest>('PutRequest', {
  key: [1, 'bytes'],
  value: [2, 'bytes'],
  prevKv: [4, 'bool'],
});

export interface PutResponse extends Answer {
  prevKv?: EtcdKeyValue;
}

export const PUT_RESPONSE = messageType<PutResponse>('PutResponse', {
  header: [1, RESPONSE_HEADER],
  prevKv: [2, KEY_VALUE],
});

export interface DeleteRangeRequest {
  key: Buffer;
  prevKv: boolean;
}

export const DELETE_RANGE_REQUEST = messageType<DeleteRangeRequest>('DeleteRangeRequest', {
  key: [1, 'bytes'],
  prevKv: [3, 'bool'],
});

export interface DeleteRangeResponse extends Answer {
  deleted: number;
  prevKvs: EtcdKeyValue[];
}

export const DELETE_RANGE_RESPONSE = messageType<DeleteRangeResponse>('DeleteRangeResponse', {
  header: [1, RESPONSE_HEADER],
  deleted: [2, 'int'],
  prevKvs: [3, KEY_VALUE, 'repeated'],
});

/** One of its fields. */
export interface RequestOp {
  requestRange?: RangeRequest;
  requestPut?: PutRequest;
  requestDeleteRange?: DeleteRangeRequest;
}

const REQUEST_OP = messageType<RequestOp>('RequestOp', {
  requestRange: [1, RANGE_REQUEST],
  requestPut: [2, PUT_REQUEST],
  requestDeleteRange: [3, DELETE_RANGE_REQUEST],
});

interface ResponseOp {
  responseRange?: RangeResponse;
  responsePut?: PutResponse;
  responseDeleteRange?: DeleteRangeResponse;
}

const RESPONSE_OP = messageType<ResponseOp>('ResponseOp', {
  responseRange: [1, RANGE_RESPONSE],
  responsePut: [2, PUT_RESPONSE],
  responseDeleteRange: [3, DELETE_RANGE_RESPONSE],
});

export const COMPARE_MOD_REVISION = 2;

/** result is left out: EQUAL is 0. */
interface Compare {
  target: typeof COMPARE_MOD_REVISION;
  key: Buffer;
  /** 0: the key does not exist. Absent on the wire it means the same. */
  modRevision: number;
}

const COMPARE = messageType<Compare>('Compare', {
  target: [2, 'int'],
  key: [3, 'bytes'],
  modRevision: [6, 'int'],
});

export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}

export const TXN_REQUEST = messageType<TxnRequest>('TxnRequest', {
  compare: [1, COMPARE, 'repeated'],
  success: [2, REQUEST_OP, 'repeated'],
  failure: [3, REQUEST_OP, 'repeated'],
});

export interface TxnResponse extends Answer {
  succeeded: boolean;
  responses: ResponseOp[];
}

export const TXN_RESPONSE = messageType<TxnResponse>('TxnResponse', {
  header: [1, RESPONSE_HEADER],
  succeeded: [2, 'bool'],
  responses: [3, RESPONSE_OP, 'repeated'],
});

export interface CompactionRequest {
  revision: number;
}

export const COMPACTION_REQUEST = messageType<CompactionRequest>('CompactionRequest', {
  revision: [1, 'int'],
});

interface WatchCreateRequest {
  key: Buffer;
  rangeEnd: Buffer;
  startRevision: number;
  progressNotify: boolean;
  prevKv: boolean;
  watchId: number;
  fragment: boolean;
}

const WATCH_CREATE_REQUEST = messageType<WatchCreateRequest>('WatchCreateRequest', {
  key: [1, 'bytes'],
  rangeEnd: [2, 'bytes'],
  startRevision: [3, 'int'],
  progressNotify: [4, 'bool'],
  prevKv: [6, 'bool'],
  watchId: [7, 'int'],
  fragment: [8, 'bool'],
});

const WATCH_CANCEL_REQUEST = messageType<{ watchId: number }>('WatchCancelRequest', { watchId: [1, 'int'] });

/** One of its fields. */
export interface WatchRequest {
  createRequest?: WatchCreateRequest;
  cancelRequest?: { watchId: number };
}

export const WATCH_REQUEST = messageType<WatchRequest>('WatchRequest', {
  createRequest: [1, WATCH_CREATE_REQUEST],
  cancelRequest: [2, WATCH_CANCEL_REQUEST],
});

export const EVENT_DELETE = 1;

export interface EtcdEvent {
  /** 0 is a put. */
  type: number;
  kv: EtcdKeyValue;
  prevKv?: EtcdKeyValue;
}

const EVENT = messageType<EtcdEvent>('Event', {
  type: [1, 'int'],
  kv: [2, KEY_VALUE],
  prevKv: [3, KEY_VALUE],
});

export interface WatchResponse extends Answer {
  watchId: number;
  created: boolean;
  canceled: boolean;
  /** Set on a watch that is cancelled because it needed something older. */
  compactRevision: number;
  cancelReason: string;
  /** More of the same answer follows. */
  fragment: boolean;
  events: EtcdEvent[];
}

export const WATCH_RESPONSE = messageType<WatchResponse>('WatchResponse', {
  header: [1, RESPONSE_HEADER],
  watchId: [2, 'int'],
  created: [3, 'bool'],
  canceled: [4, 'bool'],
  compactRevision: [5, 'int'],
  cancelReason: [6, 'string'],
  fragment: [7, 'bool'],
  events: [11, EVENT, 'repeated'],
});
