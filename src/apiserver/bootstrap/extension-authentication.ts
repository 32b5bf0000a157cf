import { CONFIGMAPS } from '../../api/gen/resources.ts';
import type { RequestHeaderConfig } from '../api-server-options.ts';
import { REQUEST_HEADER_NAMES } from '../authn/certificates.ts';
import type { ObjectStore } from '../object-store.ts';
import { ignoreExisting } from './namespaces.ts';

const NAME = 'extension-apiserver-authentication';
const NAMESPACE = 'kube-system';

/**
 * Tells other API servers whom to trust: the CA of clients, and who may say in headers who asks. Mirrors
 * pkg/controlplane/controller/clusterauthenticationtrust.
 */
export async function ensureExtensionAuthentication(
  store: ObjectStore,
  options: {
    clientCaPem: string;
    requestHeader: RequestHeaderConfig | undefined;
  },
): Promise<void> {
  const data = authenticationData(options);
  const present = await store.get(CONFIGMAPS, NAME, NAMESPACE);
  if (!present) {
    await ignoreExisting(store.create(CONFIGMAPS, { metadata: { name: NAME, namespace: NAMESPACE }, data }));
    return;
  }
  const isRight = (current: Record<string, string> | undefined) =>
    Object.entries(data).every(([key, value]) => current?.[key] === value);
  if (isRight(present.data)) return;
  await store.update(CONFIGMAPS, NAME, NAMESPACE, (current) =>
    isRight(current.data) ? undefined : { ...current, data: { ...current.data, ...data } },
  );
}

function authenticationData({
  clientCaPem,
  requestHeader,
}: Parameters<typeof ensureExtensionAuthentication>[1]): Record<string, string> {
  const { username, uid, group, extraPrefix } = requestHeader?.names ?? REQUEST_HEADER_NAMES;
  return {
    'client-ca-file': clientCaPem,
    ...(requestHeader
      ? {
          'requestheader-allowed-names': JSON.stringify(requestHeader.allowedNames),
          'requestheader-client-ca-file': requestHeader.caPem,
          'requestheader-extra-headers-prefix': JSON.stringify(extraPrefix),
          'requestheader-group-headers': JSON.stringify(group),
          'requestheader-uid-headers': JSON.stringify(uid),
          'requestheader-username-headers': JSON.stringify(username),
        }
      : {}),
  };
}
