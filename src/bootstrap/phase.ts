import type { Cluster, Node } from './cluster.ts';

interface PhaseBase {
  /** Stable, for --output json and docs/phases.md. */
  id: string;
  /** A line of the runbook. */
  title: string;
  /**
   * 'check' phases change no server; they all come before the first 'change' phase, so that a run that is
   * refused has changed nothing. 'wait' phases look at what the changes did, and are left out of a dry run.
   */
  kind: 'check' | 'change' | 'wait';
}

/** Runs on several servers side by side. */
export interface NodePhase extends PhaseBase {
  nodes: (cluster: Cluster) => readonly Node[];
  run: (node: Node, cluster: Cluster) => Promise<void>;
}

/** Runs once. */
export interface ClusterPhase extends PhaseBase {
  run: (cluster: Cluster) => Promise<void>;
}

export type Phase = NodePhase | ClusterPhase;

export const isNodePhase = (phase: Phase): phase is NodePhase => 'nodes' in phase;
/** The servers that the command changes. */
export const allNodes = (cluster: Cluster): readonly Node[] => cluster.targets;
export const controlPlanes = (cluster: Cluster): readonly Node[] =>
  cluster.targets.filter((node) => node.isControlPlane);
