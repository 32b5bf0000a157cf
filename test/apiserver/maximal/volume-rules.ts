import { kebab, oneOf } from './generate.ts';
import type { Rules } from './generate.ts';

const VOLUME_SOURCES = [
  'hostPath',
  'emptyDir',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'persistentVolumeClaim',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'downwardAPI',
  'fc',
  'azureFile',
  'configMap',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'projected',
  'portworxVolume',
  'scaleIO',
  'storageos',
  'csi',
  'ephemeral',
  'image',
  'gitRepo',
];

/** Of the volumes of pods. */
export const VOLUME_RULES: Rules = {
  Volume: {
    fields: {},
    either: oneOf(VOLUME_SOURCES, (member) => ({ name: kebab(member) })),
  },
  HostPathVolumeSource: { fields: { path: '/var/data', type: 'DirectoryOrCreate' } },
  EmptyDirVolumeSource: { fields: { medium: 'Memory' } },
  GitRepoVolumeSource: { fields: { repository: 'https://example.com/a.git', directory: 'dir' } },
  KeyToPath: { fields: { path: 'a/b', mode: 0o440 } },
  SecretVolumeSource: { fields: { defaultMode: 0o400 } },
  ConfigMapVolumeSource: { fields: { defaultMode: 0o400 } },
  DownwardAPIVolumeSource: { fields: { defaultMode: 0o400 } },
  ProjectedVolumeSource: { fields: { defaultMode: 0o400 } },
  NFSVolumeSource: { fields: { server: 'nfs.example.com', path: '/export' } },
  ISCSIVolumeSource: {
    fields: {
      targetPortal: '192.0.2.1:3260',
      iqn: 'iqn.2001-04.com.example:a.b',
      initiatorName: 'iqn.2001-04.com.example:me',
    },
  },
  ISCSIPersistentVolumeSource: {
    fields: {
      targetPortal: '192.0.2.1:3260',
      iqn: 'iqn.2001-04.com.example:a.b',
      initiatorName: 'iqn.2001-04.com.example:me',
    },
  },
  FlexVolumeSource: { fields: { driver: 'example.com/driver', options: { a: 'b' } } },
  FlexPersistentVolumeSource: { fields: { driver: 'example.com/driver', options: { a: 'b' } } },
  FlockerVolumeSource: { either: oneOf(['datasetName', 'datasetUUID']) },
  DownwardAPIVolumeFile: {
    either: [
      {
        path: 'labels',
        resourceFieldRef: undefined,
        fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.labels' },
        mode: 0o400,
      },
      { path: 'cpu', fieldRef: undefined, mode: 0o400 },
    ],
  },
  ResourceFieldSelector: { fields: { containerName: 'first', resource: 'limits.memory', divisor: '1Mi' } },
  ObjectFieldSelector: { fields: { apiVersion: 'v1', fieldPath: 'metadata.name' } },
  FCVolumeSource: {
    either: oneOf(['targetWWNs', 'wwids'], (member) => ({ lun: member === 'wwids' ? undefined : 2 })),
  },
  QuobyteVolumeSource: { fields: { registry: 'registry.example.com:7861' } },
  AzureDiskVolumeSource: {
    fields: { kind: 'Managed', diskURI: '/subscriptions/a', cachingMode: 'ReadOnly' },
  },
  PersistentVolumeClaimVolumeSource: { fields: {} },
  VolumeProjection: {
    either: oneOf([
      'secret',
      'downwardAPI',
      'configMap',
      'serviceAccountToken',
      'clusterTrustBundle',
      'podCertificate',
    ]),
  },
  SecretProjection: { fields: { items: [{ key: 'k', path: 's/k', mode: 0o400 }] } },
  ConfigMapProjection: { fields: { items: [{ key: 'k', path: 'c/k', mode: 0o400 }] } },
  DownwardAPIProjection: {
    fields: {
      items: [
        { path: 'd/l', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.labels' }, mode: 0o400 },
        { path: 'd/m', resourceFieldRef: { containerName: 'first', resource: 'limits.cpu', divisor: '1m' } },
      ],
    },
  },
  ServiceAccountTokenProjection: { fields: { audience: 'someone', expirationSeconds: 3607, path: 'token' } },
  ClusterTrustBundleProjection: {
    fields: { path: 'bundle' },
    either: [
      { name: 'bundle', signerName: undefined, labelSelector: undefined },
      { name: undefined, signerName: 'example.com/signer' },
    ],
  },
  PodCertificateProjection: {
    fields: {
      signerName: 'example.com/signer',
      keyType: 'ED25519',
      maxExpirationSeconds: 7200,
      credentialBundlePath: 'all.pem',
      keyPath: 'key.pem',
      certificateChainPath: 'chain.pem',
      userAnnotations: { 'example.com/a': 'b' },
    },
  },
  CSIVolumeSource: { fields: { driver: 'csi.example.com' } },
  ImageVolumeSource: { fields: { reference: 'registry.example.com/a/b:1', pullPolicy: 'Always' } },
  PersistentVolumeClaimTemplate: {
    fields: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } },
  },
};
