import { definitions } from '../../api/openapi/v2.ts';
import { componentSchemas } from '../../api/openapi/v3.ts';
import { schemaForKind } from '../../api/schema.ts';
import { customComponents, customDefinitions, customModelName } from '../crd/openapi.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { QUERY_PARAMETERS, resourcePaths } from './paths.ts';
import type { Operation } from './paths.ts';

const INFO = { title: 'Kubernetes', version: 'v1.36.0' };
const JSON_TYPES = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];
const PATCH = 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch';

/** The OpenAPI v3 document of one group and version. */
export function documentV3(group: string, version: string, resources: readonly ServedResource[]): object {
  const paths: Record<string, object> = {};
  const nameOf = (operation: Operation) => schemaName(resources, operation);
  for (const { path, pathParameters, operations } of resources.flatMap(resourcePaths)) {
    const item: Record<string, unknown> = {};
    for (const operation of operations) item[operation.method] = operationV3(operation, nameOf(operation));
    item.parameters = pathParameters.map(pathParameterV3);
    paths[path] = item;
  }
  return {
    openapi: '3.0.0',
    info: INFO,
    paths: sorted(paths),
    components: {
      schemas: components(group, version, resources),
      securitySchemes: {
        BearerToken: {
          type: 'apiKey',
          name: 'authorization',
          in: 'header',
          description: 'Bearer Token authentication',
        },
      },
    },
  };
}

/** The OpenAPI v2 document of everything, for clients that know no v3. */
export function documentV2(resources: readonly ServedResource[]): object {
  const paths: Record<string, object> = {};
  const nameOf = (operation: Operation) => schemaName(resources, operation);
  for (const { path, pathParameters, operations } of resources.flatMap(resourcePaths)) {
    const item: Record<string, unknown> = {};
    for (const operation of operations) item[operation.method] = operationV2(operation, nameOf(operation));
    item.parameters = pathParameters.map((name) => ({
      name,
      in: 'path',
      required: true,
      type: 'string',
      uniqueItems: true,
    }));
    paths[path] = item;
  }
  return {
    swagger: '2.0',
    info: INFO,
    paths: sorted(paths),
    definitions: { ...definitions(), ...customDefinitions(resources) },
    security: [{ BearerToken: [] }],
    securityDefinitions: {
      BearerToken: {
        description: 'Bearer Token authentication',
        type: 'apiKey',
        name: 'authorization',
        in: 'header',
      },
    },
  };
}

function sorted(record: Record<string, object>): Record<string, object> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The name of the schema of what an operation answers; streams to elsewhere answer text. */
function schemaName(resources: readonly ServedResource[], { action, kind }: Operation): string | undefined {
  if (action === 'connect') return undefined;
  const builtIn = schemaForKind(kind.group, kind.version, kind.kind)?.openApiName;
  return builtIn ?? customModelName(resources, kind);
}

/** A group may have kinds of ours and custom ones. */
function components(group: string, version: string, resources: readonly ServedResource[]): object {
  const builtIn = componentSchemas(group, version);
  const custom = resources.filter(({ definition }) => definition.custom);
  return custom.length === 0 ? builtIn : { ...builtIn, ...customComponents(custom) };
}

function operationV3(operation: Operation, name: string | undefined): object {
  const schema = name ? { $ref: `#/components/schemas/${name}` } : { type: 'string' };
  const content = Object.fromEntries((name ? JSON_TYPES : ['*/*']).map((type) => [type, { schema }]));
  const isPatch = operation.method === 'patch';
  const bodyTypes = isPatch ? PATCH_TYPES : ['*/*'];
  const bodySchema = isPatch ? { $ref: `#/components/schemas/${PATCH}` } : schema;
  return {
    operationId: operation.operationId,
    parameters: operation.parameters.map((parameter) => ({
      name: parameter,
      in: 'query',
      schema: { type: QUERY_PARAMETERS[parameter] ?? 'string', uniqueItems: true },
    })),
    ...(operation.hasBody && name
      ? {
          requestBody: {
            required: true,
            content: Object.fromEntries(bodyTypes.map((type) => [type, { schema: bodySchema }])),
          },
        }
      : {}),
    responses: { [operation.success]: { description: 'OK', content }, 401: { description: 'Unauthorized' } },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.groupVersionKind,
  };
}

function operationV2(operation: Operation, name: string | undefined): object {
  const schema = name ? { $ref: `#/definitions/${name}` } : { type: 'string' };
  const isPatch = operation.method === 'patch';
  const parameters: object[] = operation.parameters.map((parameter) => ({
    name: parameter,
    in: 'query',
    type: QUERY_PARAMETERS[parameter] ?? 'string',
    uniqueItems: true,
  }));
  if (operation.hasBody && name) {
    const body = isPatch ? { $ref: `#/definitions/${PATCH}` } : schema;
    parameters.unshift({ name: 'body', in: 'body', required: true, schema: body });
  }
  return {
    consumes: isPatch ? PATCH_TYPES : ['*/*'],
    operationId: operation.operationId,
    parameters,
    produces: name ? JSON_TYPES : ['*/*'],
    responses: { [operation.success]: { description: 'OK', schema }, 401: { description: 'Unauthorized' } },
    schemes: ['https'],
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.groupVersionKind,
  };
}

function pathParameterV3(name: string): object {
  return { name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } };
}
