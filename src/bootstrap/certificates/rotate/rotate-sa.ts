import { createHash, createPublicKey } from 'node:crypto';
import { SECRETS } from '../../../api/gen/resources.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { SlipwayError } from '../../../base/errors.ts';
import type { PkiFiles } from '../../../pki/cluster-pki.ts';
import { publicKeyOf, spkiDer } from '../../../pki/keys.ts';
import {
  beginTokenRotation,
  endTokenRotation,
  tokenRotationOf,
  tokenStage,
  type TokenStage,
} from '../../../pki/token-key-rotation.ts';
import { startUnit } from '../../../provision/units.ts';
import { runAction, type ActionOptions, type ActionResult } from '../../actions/run-action.ts';
import type { Cluster, Node } from '../../cluster.ts';
import { controllerManager } from '../../components/control-plane.ts';
import { allNodes, controlPlanes, type ClusterPhase, type NodePhase, type Phase } from '../../phase.ts';
import { apiOf, waitApiserver } from '../../phases/wait-apiserver.ts';
import { beginning, apiServers, oneByOne, onlyWhere } from './steps.ts';
import { inPodVolumes, untilNone } from './pods.ts';
import { RotatedFiles } from './state.ts';

const KUBELET_UNIT = 'slipway-kubelet.service';
const REFRESHED_WITHIN_MS = 180_000;
/** Tokens live so long where nobody asks for longer; those of pods are replaced by their kubelets before. */
const TOKENS_LIVE_MS = 3_600_000;

export interface RotateSaOptions extends ActionOptions {
  /** Forget the old key, which the run before has replaced. */
  dropOld: boolean;
  /** Do not wait until tokens have expired that were asked for by hand. */
  now: boolean;
}

/**
 * Replaces the key that signs service accounts' tokens: every API server learns the new public key, then they sign with
 * the new one, then every pod gets a new token. The old public key is kept, so that no token of before is refused; with
 * `dropOld` a later run forgets it. An interrupted run is continued by the next. Errors: PhaseError.
 */
export const rotateSa = (options: RotateSaOptions): Promise<ActionResult> =>
  runAction(options, rotateSaPhases(options));

export function rotateSaPhases({ open, dropOld, now }: RotateSaOptions): Phase[] {
  const files = new RotatedFilesOf();
  const replace = [
    ...stagePhases('learn', files, [apiServers]),
    ...stagePhases('sign', files, [
      apiServers,
      waitApiserver,
      oneByOne('controller-manager', 'the controllers', controlPlanes, controllerManager),
      renewPodTokens(files),
      noteSigned(files),
    ]),
  ];
  const drop = [
    waitApiserver,
    checkOldTokens(files, now),
    ...stagePhases('drop', files, [apiServers, endPhase(files)]),
  ];
  return [...beginning(open), readFiles(files), ...(dropOld ? drop : replace)];
}

/** The files of each run: phases are made before the cluster is. */
class RotatedFilesOf {
  readonly #known = new WeakMap<Cluster, RotatedFiles>();

  of(cluster: Cluster): RotatedFiles {
    const files = this.#known.get(cluster) ?? new RotatedFiles(cluster);
    this.#known.set(cluster, files);
    return files;
  }
}

const readFiles = (files: RotatedFilesOf): ClusterPhase => ({
  id: 'read-state',
  title: 'Read the state directory',
  kind: 'check',
  run: (cluster) => files.of(cluster).issue(),
});

const TITLES: Record<TokenStage, string> = {
  learn: 'Know both keys',
  sign: 'Sign with the new key',
  drop: 'Forget the old key',
};

function stagePhases(stage: TokenStage, all: RotatedFilesOf, steps: readonly Phase[]): Phase[] {
  const due = new WeakSet<Cluster>();
  const begin: ClusterPhase = {
    id: 'stage',
    title: 'the key',
    kind: 'change',
    run: async (cluster) => {
      const files = all.of(cluster);
      await reach(stage, files, cluster);
      if (tokenRotationOf(await files.read())?.stage !== stage) return;
      due.add(cluster);
      await files.issue();
    },
  };
  return [begin, ...steps.map((step) => onlyWhere(due, step))].map((phase) => ({
    ...phase,
    id: `${stage}-${phase.id}`,
    title: `${TITLES[stage]}: ${phase.title}`,
  }));
}

async function reach(stage: TokenStage, files: RotatedFiles, cluster: Cluster): Promise<void> {
  const rotation = tokenRotationOf(await files.read());
  if (rotation === undefined) {
    if (stage !== 'learn') return;
    await files.change(
      'make a new key for service accounts’ tokens',
      beginTokenRotation(cluster.inventory.cluster.keys),
    );
  } else if (stage === 'sign' && rotation.stage === 'learn') {
    await files.change('sign tokens with the new key', [tokenStage({ stage })]);
  } else if (stage === 'drop' && rotation.stage === 'sign') {
    await files.change('forget the old key of tokens', [tokenStage({ stage })]);
  }
}

/** Kubelets keep tokens until they are nearly over; one that starts asks for new ones. */
const renewPodTokens = (files: RotatedFilesOf): NodePhase => ({
  id: 'pod-tokens',
  title: 'Give pods new tokens',
  kind: 'wait',
  nodes: allNodes,
  run: async (node, cluster) => {
    const old = oldKeyId(await files.of(cluster).read());
    if ((await podsWithTokensOf(node, old)).length === 0) return;
    const change = `restart ${KUBELET_UNIT}, so that pods get new tokens`;
    await node.change(change, () => startUnit(node.host, change, KUBELET_UNIT, cluster.signal));
    await untilNone(cluster, REFRESHED_WITHIN_MS, async () => {
      const pods = await podsWithTokensOf(node, old);
      return pods.length === 0
        ? undefined
        : `${node.name}: pods still have tokens of the old key: ${pods.join(', ')}`;
    });
  },
});

const noteSigned = (files: RotatedFilesOf): ClusterPhase => ({
  id: 'signed',
  title: 'Remember since when',
  kind: 'wait',
  run: async (cluster) => {
    const own = files.of(cluster);
    if (tokenRotationOf(await own.read())?.signedSinceMs !== undefined) return;
    await own.change('note that the new key signs everywhere', [
      tokenStage({ stage: 'sign', signedSinceMs: cluster.clock.now() }),
    ]);
  },
});

/** Refuses to forget a key whose tokens are in use: E_TOKENS_IN_USE names where. */
const checkOldTokens = (all: RotatedFilesOf, now: boolean): ClusterPhase => ({
  id: 'old-tokens',
  title: 'Look for tokens of the old key',
  kind: 'wait',
  run: async (cluster) => {
    const files = await all.of(cluster).read();
    const rotation = tokenRotationOf(files);
    if (rotation?.stage === 'drop') return;
    if (rotation === undefined) {
      const message =
        'there is no old key that could be forgotten: "slipway certs rotate-sa" replaces the key';
      cluster.report({ type: 'warning', node: undefined, message });
      return;
    }
    if (rotation.signedSinceMs === undefined) {
      throw new SlipwayError('E_ROTATION', 'the new key does not sign everywhere yet', {
        hint: 'end the first step first: slipway certs rotate-sa',
      });
    }
    const expiredMs = rotation.signedSinceMs + TOKENS_LIVE_MS;
    const inUse = await tokensInUse(cluster, oldKeyId(files));
    if (inUse.length > 0) {
      throw new SlipwayError('E_TOKENS_IN_USE', `tokens of the old key are in use: ${inUse.join(', ')}`, {
        hint: 'replace those of pods with "slipway certs rotate-sa"; delete and make the Secrets anew',
      });
    }
    if (now || cluster.clock.now() >= expiredMs) return;
    throw new SlipwayError(
      'E_TOKENS_IN_USE',
      `tokens that the old key signed by request may live until ${rfc3339(expiredMs)}`,
      { hint: 'run the same command after that; or give --now where nobody holds such tokens' },
    );
  },
});

async function tokensInUse(cluster: Cluster, old: string): Promise<string[]> {
  const pods = await Promise.all(
    allNodes(cluster).map(async (node) =>
      (await podsWithTokensOf(node, old)).map((pod) => `pod ${pod} on ${node.name}`),
    ),
  );
  const { items } = await apiOf(cluster).list(SECRETS, {
    fieldSelector: 'type=kubernetes.io/service-account-token',
  });
  const secrets = items.filter(({ data }) => {
    const token = Buffer.from(data?.['token'] ?? '', 'base64').toString();
    return keyIdOf(token.split('.')[0] ?? '') === old;
  });
  return [
    ...pods.flat(),
    ...secrets.map(({ metadata }) => `Secret ${metadata?.namespace}/${metadata?.name}`),
  ];
}

async function podsWithTokensOf(node: Node, old: string): Promise<string[]> {
  const found = await inPodVolumes(node, 'token', 'cut -d . -f 1 "$path"');
  return [...new Set(found.filter(({ value }) => keyIdOf(value) === old).map(({ pod }) => pod))];
}

/** The key that a token names in its head; undefined where it names none. */
function keyIdOf(head: string): unknown {
  try {
    return (JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid?: unknown }).kid;
  } catch {
    return undefined;
  }
}

/** As API servers name keys: the hash of the public key. The old one lies in pki/sa.key until the rotation ends. */
const oldKeyId = (files: PkiFiles): string =>
  createHash('sha256')
    .update(spkiDer(createPublicKey(publicKeyOf(files['pki/sa.key'] ?? ''))))
    .digest('base64url');

const endPhase = (files: RotatedFilesOf): ClusterPhase => ({
  id: 'end',
  title: 'end the rotation',
  kind: 'change',
  run: async (cluster) => {
    const own = files.of(cluster);
    const { write, remove } = endTokenRotation(await own.read());
    await own.change('end the rotation of the key', write, remove);
  },
});
