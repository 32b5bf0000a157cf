import type { IncomingMessage } from 'node:http';
import type { Container, Pod } from '../../../api/gen/types/core-v1.ts';
import { PODS } from '../../../api/gen/resources.ts';
import type { ConnectRequest, ConnectSubresource } from '../../resource-definition.ts';
import { badRequest, failure, internalError, notFound } from '../../status-errors.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { allContainers } from './pod-spec/defaults.ts';
import type { KubeletConnector } from './kubelet-connector.ts';
import { logOptions } from './pod-log-options.ts';
import { pourAnswer, relayUpgrade, send } from './relay.ts';

const POD_RESOURCE = { group: '', resource: 'pods' };
/** Of an error that a kubelet answers, at most so much is passed on. */
const MAX_ERROR_BYTES = 50_000;

/** log, exec, attach and portforward: the kubelet does the work, this server finds it and passes it on. */
export function podStreams(environment: ResourceEnvironment): ConnectSubresource[] {
  const stream = (name: string, kind: string, pathOf: (request: ConnectRequest) => Promise<Located>) => ({
    type: 'connect' as const,
    name,
    methods: ['get', 'post'],
    kind: { group: '', version: 'v1', kind },
    connect: async (request: ConnectRequest) => {
      if (!request.http.upgrade) throw badRequest('Upgrade request required');
      const { pod, path } = await pathOf(request);
      const nodeName = pod.spec?.nodeName;
      if (!nodeName) throw badRequest(`pod ${request.name} does not have a host assigned`);
      const target = await kubelets(environment).target(request.store, nodeName, path);
      const refused = await relayUpgrade(request.http, target);
      if (refused) throw await answerError(refused, 'pods', request.name);
    },
  });
  return [
    stream('attach', 'PodAttachOptions', (request) => streamPath(request, 'attach')),
    stream('exec', 'PodExecOptions', (request) => streamPath(request, 'exec')),
    stream('portforward', 'PodPortForwardOptions', portForwardPath),
    {
      type: 'connect',
      name: 'log',
      methods: ['get'],
      kind: { group: '', version: 'v1', kind: 'Pod' },
      connect: (request) => streamLog(environment, request),
    },
  ];
}

interface Located {
  pod: Pod;
  path: string;
}

export function kubelets(environment: ResourceEnvironment): KubeletConnector {
  if (!environment.kubelets) {
    throw internalError('this API server has no client certificate for kubelets');
  }
  return environment.kubelets;
}

async function podOf(request: ConnectRequest): Promise<Pod> {
  const pod = await request.store.get(PODS, request.name, request.namespace);
  if (!pod) throw notFound(POD_RESOURCE, request.name);
  return pod;
}

/** The container meant, where it is named or the only one. Mirrors validateContainer of pkg/registry/core/pod/strategy.go. */
export function chooseContainer(pod: Pod, wanted: string): string {
  const name = pod.metadata?.name ?? '';
  if (wanted !== '') {
    const known = pod.spec && allContainers(pod.spec).some((container) => container.name === wanted);
    if (!known) throw badRequest(`container ${wanted} is not valid for pod ${name}`);
    return wanted;
  }
  const containers = pod.spec?.containers ?? [];
  const [first] = containers;
  if (first && containers.length === 1) return first.name;
  if (!first) throw badRequest(`a container name must be specified for pod ${name}`);
  const list = (items: ReadonlyArray<Pick<Container, 'name'>>) => items.map((item) => item.name).join(' ');
  let message = `a container name must be specified for pod ${name}, choose one of: [${list(containers)}]`;
  const init = pod.spec?.initContainers ?? [];
  if (init.length > 0) message += ` or one of the init containers: [${list(init)}]`;
  const ephemeral = pod.spec?.ephemeralContainers ?? [];
  if (ephemeral.length > 0) message += ` or one of the ephemeral containers: [${list(ephemeral)}]`;
  throw badRequest(message);
}

async function streamPath(request: ConnectRequest, verb: 'attach' | 'exec'): Promise<Located> {
  const pod = await podOf(request);
  const { query } = request.http;
  const container = chooseContainer(pod, query.get('container') ?? '');
  const params = new URLSearchParams();
  const flag = (given: string, sent: string) => {
    if (isTrue(query.get(given))) params.append(sent, '1');
  };
  flag('stdin', 'input');
  flag('stdout', 'output');
  flag('stderr', 'error');
  flag('tty', 'tty');
  for (const word of query.getAll('command')) params.append('command', word);
  if (verb === 'exec' && query.getAll('command').length === 0) {
    throw badRequest('you must specify at least 1 command for the container');
  }
  const path = `/${verb}/${segments(request.namespace, request.name, container)}?${params.toString()}`;
  return { pod, path };
}

async function portForwardPath(request: ConnectRequest): Promise<Located> {
  const pod = await podOf(request);
  const ports = request.http.query.getAll('ports').flatMap((value) => value.split(','));
  const query = ports.length > 0 ? `?${new URLSearchParams({ port: ports.join(',') }).toString()}` : '';
  return { pod, path: `/portForward/${segments(request.namespace, request.name)}${query}` };
}

async function streamLog(environment: ResourceEnvironment, request: ConnectRequest): Promise<void> {
  const pod = await podOf(request);
  const { params, container: wanted } = logOptions(request.http.query, request.name);
  const container = chooseContainer(pod, wanted);
  const { response, http } = request;
  const nodeName = pod.spec?.nodeName;
  if (!nodeName) {
    response.send(200, 'text/plain', Buffer.alloc(0));
    return;
  }
  const base = `/containerLogs/${segments(request.namespace, request.name, container)}`;
  const query = params.toString();
  const path = query === '' ? base : `${base}?${query}`;
  const target = await kubelets(environment).target(request.store, nodeName, path);
  const answer = await send(http, target, { accept: '*/*' });
  const status = answer.statusCode ?? 500;
  if (status < 200 || status > 206) throw await answerError(answer, 'pods/log', request.name);
  await pourAnswer(answer, response, http.signal, 'text/plain');
}

/** The Status for an error that a kubelet answers. Mirrors pkg/registry/generic/rest/response_checker.go. */
async function answerError(answer: IncomingMessage, resource: string, name: string) {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_ERROR_BYTES) break;
  }
  const text = Buffer.concat(chunks).toString('utf8', 0, Math.min(size, MAX_ERROR_BYTES)).trimEnd();
  const code = answer.statusCode ?? 500;
  if (code === 400) return badRequest(text);
  if (code === 404) {
    return failure(
      404,
      'NotFound',
      `the server could not find the requested resource ( ${resource} ${name})`,
      {
        name,
        kind: resource,
        causes: [{ reason: 'UnexpectedServerResponse', message: text }],
      },
    );
  }
  if (code === 403) return failure(403, 'Forbidden', text, { name, kind: resource });
  return internalError(text || `the kubelet answered ${code}`);
}

function segments(...parts: string[]): string {
  return parts.map(encodeURIComponent).join('/');
}

export function isTrue(value: string | null): boolean {
  return value !== null && value !== '' && value !== '0' && value.toLowerCase() !== 'false';
}
