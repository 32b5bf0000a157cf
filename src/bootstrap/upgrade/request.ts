import { SlipwayError } from '../../base/errors.ts';

/** What an operator asks of an upgrade, or of the way back. */
export interface RollRequest {
  /** 'forward': to a newer release. 'back': to the one that the last upgrade came from. */
  direction: 'forward' | 'back';
  /** The version that the operator means, as a check; undefined: that of the executable. */
  to?: string;
  /** Whether pods leave a server before its components are restarted; without it containers run on. */
  drain: boolean;
  drainTimeoutMs: number;
  /** Pods that no controller would make again may be deleted. */
  force: boolean;
  deleteEmptyDirData: boolean;
  /** How many workers at a time: '2', or '20%' of them, rounded up. */
  batch: string;
  /** Go on in spite of what the simulation says must be fixed. */
  ignoreFindings: boolean;
}

/** How many of `workers` are worked on at a time. E_UPGRADE where `batch` is neither a number nor a percentage. */
export function batchSize(batch: string, workers: number): number {
  const match = /^(\d{1,4})(%?)$/.exec(batch);
  const value = Number(match?.[1]);
  const percent = match?.[2] === '%';
  if (!match || value < 1 || (percent && value > 100)) {
    throw new SlipwayError(
      'E_UPGRADE',
      `--batch ${batch}: it is neither a number of servers from 1 nor a percentage`,
      {
        hint: 'give it as "--batch 2" or "--batch 20%"',
      },
    );
  }
  return percent ? Math.max(1, Math.ceil((workers * value) / 100)) : value;
}

/** A part of an upgrade: what is done to servers side by side. */
export interface Stage {
  /** 'api': etcd and the API server. 'node': everything else on the server. */
  part: 'api' | 'node';
  nodes: string[];
}

/**
 * The order of an upgrade. No kubelet, controller or scheduler may be newer than an API server that it talks to:
 * all API servers go first, one at a time; then the rest of each control plane, one at a time; then the workers in
 * batches. The way back is the other way round. Mirrors kubernetes.io/releases/version-skew-policy.
 */
export function stagesOf(
  servers: ReadonlyArray<{ name: string; controlPlane: boolean }>,
  { direction, batch }: Pick<RollRequest, 'direction' | 'batch'>,
): Stage[] {
  const names = (controlPlane: boolean): string[] =>
    servers.filter((server) => server.controlPlane === controlPlane).map(({ name }) => name);
  const [controlPlanes, workers] = [names(true), names(false)];
  const size = batchSize(batch, workers.length);
  const batches = Array.from({ length: Math.ceil(workers.length / size) }, (_, i) =>
    workers.slice(i * size, (i + 1) * size),
  );
  const stages: Stage[] = [
    ...controlPlanes.map((name): Stage => ({ part: 'api', nodes: [name] })),
    ...controlPlanes.map((name): Stage => ({ part: 'node', nodes: [name] })),
    ...batches.map((nodes): Stage => ({ part: 'node', nodes })),
  ];
  return direction === 'forward' ? stages : stages.toReversed();
}
