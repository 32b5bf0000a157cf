import { REPLICASETS, REPLICATIONCONTROLLERS } from '../../api/gen/resources.ts';
import type { ReplicaSet } from '../../api/gen/types/apps-v1.ts';
import type { ReplicationController } from '../../api/gen/types/core-v1.ts';
import type { LabelSelector } from '../../api/gen/types/meta-v1.ts';
import type { ResourceInfo } from '../../api/resource.ts';

/** A ReplicaSet or a ReplicationController: but for the selector's form they are the same. */
export type ReplicaOwner = ReplicaSet | ReplicationController;

export interface ReplicaKind {
  controllerName: string;
  /** The source of its events. */
  component: string;
  resource: ResourceInfo<ReplicaOwner>;
  selectorOf(owner: ReplicaOwner): LabelSelector | undefined;
}

export const REPLICASET_KIND: ReplicaKind = {
  controllerName: 'replicaset',
  component: 'replicaset-controller',
  resource: REPLICASETS,
  selectorOf: (owner) => (owner as ReplicaSet).spec?.selector,
};

export const REPLICATIONCONTROLLER_KIND: ReplicaKind = {
  controllerName: 'replicationcontroller',
  component: 'replication-controller',
  resource: REPLICATIONCONTROLLERS,
  selectorOf: (owner) => ({ matchLabels: (owner as ReplicationController).spec?.selector ?? {} }),
};
