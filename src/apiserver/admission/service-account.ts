import { PODS, SERVICEACCOUNTS } from '../../api/gen/resources.ts';
import type { Container, Pod, PodSpec, ServiceAccount, Volume } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission-plugin.ts';
import type { ObjectStore } from '../object-store.ts';
import { isOn, objectOf, refuse } from './review.ts';

const DEFAULT_NAME = 'default';
const VOLUME_PREFIX = 'kube-api-access-';
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const MIRROR = 'kubernetes.io/config.mirror';
/** Seven seconds more than an hour tell tokens that were mounted by this plugin from those asked for. */
const TOKEN_SECONDS = 3607;
/** A new namespace gets its default account from a controller, a moment after it is there. */
const DEFAULT_TRIES = 10;
const RETRY_MS = 150;
const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

export interface ServiceAccountPluginOptions {
  clock: Clock;
  /** A whole number from 0 to below the limit. */
  random(limit: number): number;
}

/** Every pod runs as some account and gets its token. Mirrors plugin/pkg/admission/serviceaccount/admission.go. */
export function serviceAccountPlugin(options: ServiceAccountPluginOptions): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    handles: (attributes) => attributes.operation === 'CREATE' && isOn(attributes, PODS),
    async admit(attributes, store) {
      const pod = objectOf<Pod>(attributes);
      const spec = pod.spec;
      if (!spec) return;
      if (pod.metadata?.annotations?.[MIRROR] !== undefined) {
        checkMirror(attributes, spec);
        return;
      }
      spec.serviceAccountName ||= spec.serviceAccount || DEFAULT_NAME;
      spec.serviceAccount = spec.serviceAccountName;
      const account = await findAccount(attributes, store, spec.serviceAccountName, options.clock);
      if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) {
        mountToken(spec, (limit) => options.random(limit));
      }
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        spec.imagePullSecrets = account.imagePullSecrets.map(({ name }) =>
          name === undefined ? {} : { name },
        );
      }
    },
    async validate(attributes, store) {
      const pod = objectOf<Pod>(attributes);
      const name = pod.spec?.serviceAccountName ?? '';
      if (!pod.spec || pod.metadata?.annotations?.[MIRROR] !== undefined) return;
      if (name === '') {
        throw refuse(
          attributes,
          `no service account specified for pod ${attributes.namespace}/${pod.metadata?.name ?? ''}`,
        );
      }
      await findAccount(attributes, store, name, options.clock);
    },
  };
}

async function findAccount(
  attributes: AdmissionAttributes,
  store: ObjectStore,
  name: string,
  clock: Clock,
): Promise<ServiceAccount> {
  const { namespace } = attributes;
  const cached = await store.get(SERVICEACCOUNTS, name, namespace);
  if (cached) return cached;
  const tries = name === DEFAULT_NAME ? DEFAULT_TRIES : 1;
  for (let attempt = 0; attempt < tries; attempt += 1) {
    if (attempt > 0) await clock.sleep(RETRY_MS, attributes.context.http.signal);
    const fresh = await store.getFresh(SERVICEACCOUNTS, name, namespace);
    if (fresh) return fresh;
  }
  const missing = `serviceaccount ${JSON.stringify(name)} not found`;
  throw refuse(attributes, `error looking up service account ${namespace}/${name}: ${missing}`);
}

/** A mirror pod is a node's own word: it must not reach for what the API holds. */
function checkMirror(attributes: AdmissionAttributes, spec: PodSpec): void {
  if (spec.serviceAccountName || spec.serviceAccount) {
    throw refuse(attributes, 'a mirror pod may not reference service accounts');
  }
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const secrets =
    (spec.volumes ?? []).some(
      (volume) => volume.secret ?? volume.projected?.sources?.some((one) => one.secret),
    ) ||
    containers.some(
      (container) =>
        container.env?.some((one) => one.valueFrom?.secretKeyRef) ||
        container.envFrom?.some((one) => one.secretRef),
    );
  if (secrets) throw refuse(attributes, 'a mirror pod may not reference secrets');
  const tokens = (spec.volumes ?? []).some((volume) =>
    volume.projected?.sources?.some((source) => source.serviceAccountToken),
  );
  if (tokens) throw refuse(attributes, 'a mirror pod may not use ServiceAccountToken volume projections');
}

function mountToken(spec: PodSpec, random: (limit: number) => number): void {
  const existing = spec.volumes?.find((volume) => volume.name.startsWith(VOLUME_PREFIX));
  const name = existing?.name ?? VOLUME_PREFIX + suffix(random);
  let mounted = false;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])] as Container[]) {
    if (container.volumeMounts?.some((mount) => mount.mountPath === MOUNT_PATH)) continue;
    container.volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name, readOnly: true, mountPath: MOUNT_PATH },
    ];
    mounted = true;
  }
  if (!existing && mounted) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

function suffix(random: (limit: number) => number): string {
  return Array.from({ length: 5 }, () => NAME_LETTERS[random(NAME_LETTERS.length)]).join('');
}

/** The token, the CA that signs the API server, and the namespace, as every client library expects them. */
function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 420,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}
