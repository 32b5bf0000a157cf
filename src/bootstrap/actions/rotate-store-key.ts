import { SlipwayError } from '../../base/errors.ts';
import { openApiAccess } from '../api-access.ts';
import type { Cluster, Node } from '../cluster.ts';
import { componentPhase } from '../components/component.ts';
import { apiserver } from '../components/control-plane.ts';
import { identityOf } from '../components/files.ts';
import {
  advance,
  ENCRYPTION_KEYS,
  parseKeys,
  renderKeys,
  stageOf,
  type RotationStage,
} from '../encryption/keys.ts';
import { controlPlanes, type ClusterPhase, type Phase } from '../phase.ts';
import { connect } from '../phases/connect.ts';
import { facts } from '../phases/facts.ts';
import { pki } from '../phases/pki.ts';
import { validateRelease } from '../phases/validate-release.ts';
import { untilReady } from '../phases/wait-apiserver.ts';
import { SUPER_ADMIN } from '../../pki/identities.ts';
import { runAction, type ActionOptions, type ActionResult } from './run-action.ts';

const REWRITTEN_WITHIN_MS = 10 * 60_000;

/**
 * Replaces the key that Secrets are encrypted with in the store: every API server learns the new key, then writes with
 * it and rewrites what the old one wrote, then forgets the old one. One server is restarted after the other. A run that
 * broke off is continued by the next one. Errors: PhaseError.
 */
export const rotateStoreKey = (options: ActionOptions): Promise<ActionResult> =>
  runAction(options, rotateStoreKeyPhases(options.open));

export function rotateStoreKeyPhases(open: ActionOptions['open']): Phase[] {
  const select: ClusterPhase = {
    id: 'control-planes',
    title: 'Choose the control planes',
    kind: 'check',
    run: async (cluster) => {
      cluster.targets = cluster.controlPlanes;
    },
  };
  return [
    select,
    connect(open),
    facts,
    validateRelease,
    pki,
    stagePhase('add', 'Give every API server the new key'),
    stagePhase('use', 'Write with the new key, and rewrite what the old one wrote'),
    stagePhase('drop', 'Forget the old key'),
  ];
}

const stagePhase = (stage: RotationStage, title: string): ClusterPhase => ({
  id: `store-key-${stage}`,
  title,
  kind: 'change',
  run: async (cluster) => {
    const keys = parseKeys(cluster.pki[ENCRYPTION_KEYS] ?? '');
    // A rotation that broke off is past this stage already; what it left undone on servers is done below.
    if (stageOf(keys) === stage) {
      const next = renderKeys(advance(keys));
      await cluster.change(
        `${stage} ${stage === 'drop' ? 'the old' : 'the new'} key in ${ENCRYPTION_KEYS}`,
        async () => {
          await cluster.state.write(ENCRYPTION_KEYS, next);
        },
      );
      cluster.pki = { ...cluster.pki, [ENCRYPTION_KEYS]: next };
    }
    await restartOneByOne(cluster);
    if (stage === 'use' && !cluster.dryRun) await untilRewritten(cluster);
  },
});

/** With several control planes there is always an API server that answers. */
async function restartOneByOne(cluster: Cluster): Promise<void> {
  const phase = componentPhase({ id: 'apiserver', title: '', nodes: controlPlanes, component: apiserver });
  for (const node of controlPlanes(cluster)) {
    const before = cluster.changes.length;
    await phase.run(node, cluster);
    if (cluster.changes.length > before && !cluster.dryRun) await untilReady(node);
  }
}

/** Every server looks through the store after its start; the last one has seen what all others still wrote. */
async function untilRewritten(cluster: Cluster): Promise<void> {
  const deadlineMs = cluster.clock.monotonicMs() + REWRITTEN_WITHIN_MS;
  for (const node of controlPlanes(cluster)) {
    while (await isRewriting(cluster, node)) {
      if (cluster.clock.monotonicMs() > deadlineMs) {
        throw new SlipwayError(
          'E_NOT_READY',
          `${node.name}: Secrets are still being rewritten with the new key`,
          {
            hint: `look at "journalctl -u slipway-apiserver" on ${node.name}, then run the same command again`,
          },
        );
      }
      await cluster.clock.sleep(500, cluster.signal);
    }
  }
}

async function isRewriting(cluster: Cluster, node: Node): Promise<boolean> {
  const api = await openApiAccess([node.host], {
    port: cluster.inventory.api.port,
    caPem: cluster.pki['pki/ca.crt'] ?? '',
    identity: identityOf(cluster, SUPER_ADMIN),
    clock: cluster.clock,
  });
  try {
    const { body } = await api.client.request('GET', '/metrics');
    return !/^slipway_encryption_rewriting 0$/m.test(body.toString());
  } finally {
    api.close();
  }
}
