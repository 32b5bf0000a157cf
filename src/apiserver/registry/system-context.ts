import { Readable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { ApiRequest, RequestContext } from '../request-context.ts';

/** The request that stands for the server's own writes. */
const NO_REQUEST: ApiRequest = {
  method: 'POST',
  path: '/',
  query: new URLSearchParams(),
  headers: {},
  clientCertificate: undefined,
  clientCertificateError: undefined,
  remoteAddress: '127.0.0.1',
  httpVersion: '2',
  signal: new AbortController().signal,
  body: () => Promise.resolve(Buffer.alloc(0)),
  bodyStream: () => Readable.from([]),
  upgrade: undefined,
};

export function systemContext(clock: Clock): RequestContext {
  return {
    info: {
      isResourceRequest: false,
      verb: 'post',
      path: '/',
      apiPrefix: '',
      group: '',
      version: '',
      namespace: '',
      resource: '',
      subresource: '',
      name: '',
      parts: [],
      labelSelector: '',
      fieldSelector: '',
    },
    user: { name: 'system:apiserver', groups: ['system:masters', 'system:authenticated'], extra: {} },
    http: NO_REQUEST,
    clock,
    dryRun: false,
    fieldManager: 'slipway-apiserver',
    warn: () => undefined,
    annotate: () => undefined,
  };
}
