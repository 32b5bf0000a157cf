import type { Method } from './endpoint.ts';
import * as m from './messages.ts';

export const RANGE: Method<m.RangeRequest, m.RangeResponse> = {
  path: '/etcdserverpb.KV/Range',
  request: m.RANGE_REQUEST,
  response: m.RANGE_RESPONSE,
};

export const PUT: Method<m.PutRequest, m.PutResponse> = {
  path: '/etcdserverpb.KV/Put',
  request: m.PUT_REQUEST,
  response: m.PUT_RESPONSE,
};

export const DELETE_RANGE: Method<m.DeleteRangeRequest, m.DeleteRangeResponse> = {
  path: '/etcdserverpb.KV/DeleteRange',
  request: m.DELETE_RANGE_REQUEST,
  response: m.DELETE_RANGE_RESPONSE,
};

export const TXN: Method<m.TxnRequest, m.TxnResponse> = {
  path: '/etcdserverpb.KV/Txn',
  request: m.TXN_REQUEST,
  response: m.TXN_RESPONSE,
};

export const COMPACT: Method<m.CompactionRequest, m.Answer> = {
  path: '/etcdserverpb.KV/Compact',
  request: m.COMPACTION_REQUEST,
  response: m.ANSWER,
};

export const WATCH: Method<m.WatchRequest, m.WatchResponse> = {
  path: '/etcdserverpb.Watch/Watch',
  request: m.WATCH_REQUEST,
  response: m.WATCH_RESPONSE,
};
