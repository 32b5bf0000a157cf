import { stringify } from 'yaml';
import { EVENTS, LEASES, NODES, PODS } from '../../api/gen/resources.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { messageOf } from '../../base/errors.ts';
import type { Client } from '../../client/client.ts';
import { withoutSecretPlaces } from './redact.ts';

/** At most so many objects of a kind. */
const OBJECTS = 2000;

/** What the API has that explains a cluster: never Secrets, and of config maps and the like nothing either. */
export async function collectApi(client: Client): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const add = async (name: string, read: () => Promise<string>): Promise<void> => {
    files.set(name, await read().catch((error: unknown) => `not collected: ${messageOf(error)}\n`));
  };
  const request = (path: string) => async (): Promise<string> => {
    const { status, body } = await client.request('GET', path);
    return `HTTP ${status}\n${body.toString('utf8')}\n`;
  };
  const list =
    <T extends KubeObject>(resource: ResourceInfo<T>) =>
    async (): Promise<string> => {
      const { items } = await client.list(resource, { limit: OBJECTS });
      return items.map((item) => stringify(withoutSecretPlaces(item))).join('---\n');
    };
  await Promise.all([
    add('version.txt', request('/version')),
    add('readyz.txt', request('/readyz?verbose')),
    add('livez.txt', request('/livez?verbose')),
    add('apis.txt', request('/apis')),
    add('nodes.yaml', list(NODES)),
    add('pods.yaml', list(PODS)),
    add('events.yaml', list(EVENTS)),
    add('leases.yaml', list(LEASES)),
  ]);
  return files;
}
