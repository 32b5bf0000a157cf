import { apiVersionOf, resourcePath } from '../../api/resource.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { subresourceKind, subresourceVerbs } from '../discovery/served-groups.ts';

/** An operation before it is written in one of the two versions of OpenAPI. */
export interface Operation {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** list, watch …: `x-kubernetes-action`. */
  action: string;
  operationId: string;
  groupVersionKind: { group: string; version: string; kind: string };
  parameters: string[];
  /** Of the body and the answer: a kind of the same group and version unless it names its own. */
  kind: { group: string; version: string; kind: string };
  hasBody: boolean;
  success: number;
}

export interface PathOperations {
  path: string;
  pathParameters: string[];
  operations: Operation[];
}

/** Parameters of queries, by name: what clients look for to learn what the server can. */
export const QUERY_PARAMETERS: Record<string, 'string' | 'integer' | 'boolean'> = {
  allowWatchBookmarks: 'boolean',
  continue: 'string',
  dryRun: 'string',
  fieldManager: 'string',
  fieldSelector: 'string',
  fieldValidation: 'string',
  force: 'boolean',
  gracePeriodSeconds: 'integer',
  labelSelector: 'string',
  limit: 'integer',
  orphanDependents: 'boolean',
  pretty: 'string',
  propagationPolicy: 'string',
  resourceVersion: 'string',
  resourceVersionMatch: 'string',
  sendInitialEvents: 'boolean',
  timeoutSeconds: 'integer',
  watch: 'boolean',
};

const LIST_PARAMETERS = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'pretty',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch',
];
const WRITE_PARAMETERS = ['dryRun', 'fieldManager', 'fieldValidation', 'pretty'];
const DELETE_PARAMETERS = ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'pretty', 'propagationPolicy'];

/** The paths of one resource with their operations, as upstream names them. */
export function resourcePaths(served: ServedResource): PathOperations[] {
  const { info } = served;
  const base = { namespace: '{namespace}' };
  const collection = unescaped(resourcePath(info, base));
  const item = unescaped(resourcePath(info, { ...base, name: '{name}' }));
  const scope = info.namespaced ? ['namespace'] : [];
  const paths: PathOperations[] = [
    { path: collection, pathParameters: scope, operations: collectionOperations(served) },
    { path: item, pathParameters: ['name', ...scope], operations: itemOperations(served) },
  ];
  if (info.namespaced && served.verbs.includes('list')) {
    const all = unescaped(resourcePath(info));
    paths.push({ path: all, pathParameters: [], operations: [listOperation(served, 'ForAllNamespaces')] });
  }
  for (const sub of served.definition.subresources ?? []) {
    const operations = subresourceOperations(served, sub.name);
    paths.push({ path: `${item}/${sub.name}`, pathParameters: ['name', ...scope], operations });
  }
  return paths.filter(({ operations }) => operations.length > 0);
}

function unescaped(path: string): string {
  return path.replaceAll('%7B', '{').replaceAll('%7D', '}');
}

function operation(
  served: ServedResource,
  part: Pick<Operation, 'method' | 'action' | 'parameters' | 'hasBody' | 'success'>,
  more: { id?: string; kind?: Operation['kind']; gvk?: Operation['kind'] } = {},
): Operation {
  const { group, version, kind } = served.info;
  const own = { group, version, kind };
  const verb = { post: 'create', put: 'replace', get: 'read' }[part.method as string] ?? part.action;
  return {
    ...part,
    operationId: `${verb}${title(served)}${served.info.namespaced ? 'Namespaced' : ''}${kind}${more.id ?? ''}`,
    groupVersionKind: more.gvk ?? own,
    kind: more.kind ?? own,
  };
}

/** 'AppsV1' of apps/v1, 'CoreV1' of v1. */
function title(served: ServedResource): string {
  const { group, version } = served.info;
  const first = group === '' ? 'core' : (group.split('.')[0] ?? '');
  return capital(first) + capital(version);
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function listOperation(served: ServedResource, id = ''): Operation {
  const { group, version } = served.info;
  return operation(
    served,
    { method: 'get', action: 'list', parameters: LIST_PARAMETERS, hasBody: false, success: 200 },
    { id: `List${id}`, kind: { group, version, kind: served.listKind } },
  );
}

const STATUS = { group: '', version: 'v1', kind: 'Status' };

function collectionOperations(served: ServedResource): Operation[] {
  const operations: Operation[] = [];
  const verbs: readonly string[] = served.verbs;
  if (verbs.includes('list')) operations.push(listOperation(served));
  if (verbs.includes('create')) {
    operations.push(
      operation(served, {
        method: 'post',
        action: 'post',
        parameters: WRITE_PARAMETERS,
        hasBody: true,
        success: 201,
      }),
    );
  }
  if (verbs.includes('deletecollection')) {
    const parameters = [...new Set([...LIST_PARAMETERS.slice(1), ...DELETE_PARAMETERS])].sort();
    operations.push(
      operation(
        served,
        { method: 'delete', action: 'deletecollection', parameters, hasBody: false, success: 200 },
        { id: 'Collection', kind: STATUS },
      ),
    );
  }
  return operations;
}

function itemOperations(served: ServedResource): Operation[] {
  const operations: Operation[] = [];
  const verbs: readonly string[] = served.verbs;
  const add = (verb: string, part: Parameters<typeof operation>[1], kind?: Operation['kind']) => {
    if (verbs.includes(verb)) operations.push(operation(served, part, kind ? { kind } : {}));
  };
  add('get', { method: 'get', action: 'get', parameters: ['pretty'], hasBody: false, success: 200 });
  add('update', { method: 'put', action: 'put', parameters: WRITE_PARAMETERS, hasBody: true, success: 200 });
  add('patch', {
    method: 'patch',
    action: 'patch',
    parameters: [...WRITE_PARAMETERS, 'force'],
    hasBody: true,
    success: 200,
  });
  add(
    'delete',
    { method: 'delete', action: 'delete', parameters: DELETE_PARAMETERS, hasBody: false, success: 200 },
    STATUS,
  );
  return operations;
}

const METHOD_OF_VERB: Record<string, Operation['method']> = {
  create: 'post',
  get: 'get',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
};

function subresourceOperations(served: ServedResource, name: string): Operation[] {
  const sub = served.subresource(name);
  if (!sub) return [];
  const kind = subresourceKind(served, sub);
  return subresourceVerbs(sub).flatMap((verb) => {
    const method = METHOD_OF_VERB[verb];
    if (!method) return [];
    const writes = method === 'post' || method === 'put' || method === 'patch';
    const parameters = writes ? [...WRITE_PARAMETERS, ...(method === 'patch' ? ['force'] : [])] : ['pretty'];
    const action = sub.type === 'connect' ? 'connect' : method;
    const part = { method, action, parameters, hasBody: writes, success: method === 'post' ? 201 : 200 };
    return [operation(served, part, { id: capital(name), kind, gvk: kind })];
  });
}

/** 'api/v1' or 'apis/apps/v1': the key of a document in the index of OpenAPI v3. */
export function documentKey(info: { group: string; version: string }): string {
  return info.group === '' ? `api/${info.version}` : `apis/${apiVersionOf(info)}`;
}
