import { get } from 'node:http';
import { COMPONENTSTATUSES } from '../../../api/gen/resources.ts';
import type { ComponentStatus } from '../../../api/gen/types/core-v1.ts';
import { messageOf } from '../../../base/errors.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import { networkErrorText } from '../../webhook-client/call-error.ts';
import { define } from '../define.ts';

/** Where the components of a control plane answer on their server's loopback. */
const PORTS = new Map([
  ['controller-manager', 10_257],
  ['scheduler', 10_259],
]);
const STORE = 'etcd-0';
const TIMEOUT_MS = 20_000;
const MAX_ANSWER_BYTES = 10 * 1024;

/** Answers the store's question with 'ok', or rejects. */
export type StoreCheck = () => Promise<unknown>;

/**
 * What tools that are older than /livez ask: nothing is stored, the components beside this server are asked each time.
 * Mirrors pkg/registry/core/componentstatus.
 */
export function componentStatuses(
  store: StoreCheck,
  ports: ReadonlyMap<string, number> = PORTS,
): ResourceDefinition {
  const status = async (name: string): Promise<ComponentStatus | undefined> => {
    const port = ports.get(name);
    if (port !== undefined) return statusOf(name, await ask(port));
    if (name !== STORE) return undefined;
    return statusOf(
      name,
      await store().then(
        () => ({ status: 'True', message: 'ok' }),
        (error: unknown) => ({ status: 'False', error: messageOf(error) }),
      ),
    );
  };
  return define(COMPONENTSTATUSES, {
    shortNames: ['cs'],
    verbs: ['get', 'list'],
    deprecationWarning: 'v1 ComponentStatus is deprecated in v1.19+',
    computed: {
      notFoundAs: 'componentstatus',
      get: status,
      list: async () => {
        const found = await Promise.all([...ports.keys(), STORE].map(status));
        return found.filter((each) => each !== undefined);
      },
    },
    columns: [
      { name: 'Name', type: 'string', format: 'name', cell: ({ metadata }) => metadata?.name ?? '' },
      { name: 'Status', type: 'string', description: 'Status of the component conditions', cell: healthOf },
      {
        name: 'Message',
        type: 'string',
        description: 'Message of the component conditions',
        cell: (object) => healthy(object)?.message ?? '',
      },
      {
        name: 'Error',
        type: 'string',
        description: 'Error of the component conditions',
        cell: (object) => healthy(object)?.error ?? '',
      },
    ],
  });
}

interface Health {
  status: string;
  message?: string;
  error?: string;
}

function statusOf(name: string, health: Health): ComponentStatus {
  return {
    kind: COMPONENTSTATUSES.kind,
    apiVersion: COMPONENTSTATUSES.version,
    metadata: { name },
    conditions: [{ type: 'Healthy', ...health }],
  };
}

function healthy({ conditions }: ComponentStatus) {
  return conditions?.find((each) => each.type === 'Healthy');
}

function healthOf(object: ComponentStatus): string {
  const condition = healthy(object);
  if (!condition) return 'Unknown';
  return condition.status === 'True' ? 'Healthy' : 'Unhealthy';
}

/** Never rejects: an unanswered question is an answer. */
function ask(port: number): Promise<Health> {
  const url = `http://127.0.0.1:${port}/healthz`;
  return new Promise((resolve) => {
    const failed = (error: Error) => {
      const why = error.name === 'TimeoutError' ? 'context deadline exceeded' : undefined;
      const text = why ?? networkErrorText(error, '127.0.0.1', port, '127.0.0.1');
      resolve({ status: 'False', message: `Get "${url}": ${text}` });
    };
    const request = get(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= MAX_ANSWER_BYTES) chunks.push(chunk);
      });
      response.on('error', failed);
      response.on('end', () => {
        const code = response.statusCode ?? 0;
        const ok = code >= 200 && code < 400;
        const text = Buffer.concat(chunks).toString('utf8');
        resolve(
          ok
            ? { status: 'True', message: text }
            : { status: 'False', message: `HTTP probe failed with statuscode: ${code}` },
        );
      });
    });
    request.on('error', failed);
  });
}
