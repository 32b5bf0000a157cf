import type { Volume } from '../../../../api/gen/types/core-v1.ts';

/** The fields that a volume source cannot do without. */
const REQUIRED: Partial<Record<keyof Volume, readonly string[]>> = {
  hostPath: ['path'],
  gitRepo: ['repository'],
  gcePersistentDisk: ['pdName'],
  awsElasticBlockStore: ['volumeID'],
  secret: ['secretName'],
  nfs: ['server', 'path'],
  iscsi: ['targetPortal', 'iqn'],
  glusterfs: ['endpoints', 'path'],
  persistentVolumeClaim: ['claimName'],
  rbd: ['monitors', 'image'],
  cinder: ['volumeID'],
  cephfs: ['monitors'],
  quobyte: ['registry', 'volume'],
  flexVolume: ['driver'],
  configMap: ['name'],
  azureFile: ['secretName', 'shareName'],
  vsphereVolume: ['volumePath'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  azureDisk: ['diskName', 'diskURI'],
  storageos: ['volumeName'],
  scaleIO: ['gateway', 'system', 'volumeName'],
  csi: ['driver'],
  ephemeral: ['volumeClaimTemplate'],
  image: ['reference'],
};

/** The required fields of the source that the volume lacks. */
export function requiredSourceFields(source: keyof Volume, volume: Volume): string[] {
  const value = (volume[source] ?? {}) as Record<string, unknown>;
  return (REQUIRED[source] ?? []).filter((field) => {
    const given = value[field];
    return given === undefined || given === '' || (Array.isArray(given) && given.length === 0);
  });
}
