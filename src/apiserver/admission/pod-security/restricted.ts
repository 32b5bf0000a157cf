import type { Volume } from '../../../api/gen/types/core-v1.ts';
import { procMount } from './baseline.ts';
import {
  containersNamed,
  plural,
  quoted,
  setters,
  sorted,
  unlessUserNamespace,
  unlessWindows,
} from './check.ts';
import type { Check, CheckPod } from './check.ts';
import { seccompRestricted } from './seccomp.ts';

const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
const OTHER_VOLUMES = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'nfs',
  'iscsi',
  'glusterfs',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'fc',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
];

const escalation: CheckPod = ({ containers }) => {
  const bad = containers.filter(({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (bad.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersNamed(bad)} must set securityContext.allowPrivilegeEscalation=false`,
  };
};

const capabilities: CheckPod = ({ containers }) => {
  const kept = containers.filter(
    ({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'),
  );
  const added = (container: (typeof containers)[number]): string[] =>
    (container.securityContext?.capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
  const adding = containers.filter((container) => added(container).length > 0);
  const details = [
    ...(kept.length > 0
      ? [`${containersNamed(kept)} must set securityContext.capabilities.drop=["ALL"]`]
      : []),
    ...(adding.length > 0
      ? [
          `${containersNamed(adding)} must not include ${quoted(sorted(adding.flatMap(added)))} in ` +
            'securityContext.capabilities.add',
        ]
      : []),
  ];
  if (details.length === 0) return undefined;
  return { reason: 'unrestricted capabilities', detail: details.join('; ') };
};

const volumes: CheckPod = ({ spec }) => {
  const has = (volume: Volume, type: string): boolean =>
    (volume as unknown as Record<string, unknown>)[type] !== undefined;
  const bad = (spec.volumes ?? []).filter((volume) => !VOLUMES.some((type) => has(volume, type)));
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((volume) => OTHER_VOLUMES.find((type) => has(volume, type)) ?? 'unknown'));
  const names = `${plural(bad.length, 'volume')} ${quoted(bad.map(({ name }) => name))}`;
  const uses = `${plural(bad.length, 'uses', 'use')} ${plural(types.length, 'restricted volume type')}`;
  return { reason: 'restricted volume types', detail: `${names} ${uses} ${quoted(types)}` };
};

const nonRoot: CheckPod = ({ spec, containers }) => {
  const own = spec.securityContext?.runAsNonRoot;
  const root = containers.filter(({ securityContext }) => securityContext?.runAsNonRoot === false);
  const blamed = setters(own === false, root);
  const reason = 'runAsNonRoot != true';
  if (blamed !== '') return { reason, detail: `${blamed} must not set securityContext.runAsNonRoot=false` };
  const silent = containers.filter(({ securityContext }) => securityContext?.runAsNonRoot === undefined);
  if (own === true || silent.length === 0) return undefined;
  return {
    reason,
    detail: `pod or ${containersNamed(silent)} must set securityContext.runAsNonRoot=true`,
  };
};

const user: CheckPod = ({ spec, containers }) => {
  const root = containers.filter(({ securityContext }) => securityContext?.runAsUser === 0);
  const blamed = setters(spec.securityContext?.runAsUser === 0, root);
  if (blamed === '') return undefined;
  return { reason: 'runAsUser=0', detail: `${blamed} must not set runAsUser=0` };
};

/** Mirrors policy/check_*.go of pod-security-admission. */
export const RESTRICTED_CHECKS: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      { from: 8, check: escalation },
      { from: 25, check: unlessWindows(escalation) },
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    versions: [
      { from: 22, check: capabilities, overrides: 'capabilities_baseline' },
      { from: 25, check: unlessWindows(capabilities), overrides: 'capabilities_baseline' },
    ],
  },
  {
    id: 'procMount_restricted',
    level: 'restricted',
    versions: [{ from: 35, check: procMount, overrides: 'procMount' }],
  },
  {
    id: 'restrictedVolumes',
    level: 'restricted',
    versions: [{ from: 0, check: volumes, overrides: 'hostPathVolumes' }],
  },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      { from: 0, check: nonRoot },
      { from: 35, check: unlessUserNamespace(nonRoot) },
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      { from: 23, check: user },
      { from: 35, check: unlessUserNamespace(user) },
    ],
  },
  seccompRestricted,
];
