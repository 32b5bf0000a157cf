import {
  advanceRotation,
  beginRotation,
  endRotation,
  ROTATION_STAGES,
  rotationOf,
  type AuthorityPath,
  type Rotation,
  type RotationStage,
} from '../../../pki/rotation.ts';
import { SlipwayError } from '../../../base/errors.ts';
import { withRotation } from '../../../pki/rotation.ts';
import { withTokenRotation } from '../../../pki/token-key-rotation.ts';
import type { PkiFiles } from '../../../pki/cluster-pki.ts';
import type { Cluster } from '../../cluster.ts';
import { issueFrom } from '../../phases/pki.ts';

/**
 * The files of the state directory while a command replaces something in them: changes are written, and in a dry run
 * only remembered, so that it tells what each further stage would do.
 */
export class RotatedFiles {
  readonly #cluster: Cluster;
  #files: PkiFiles | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async read(): Promise<PkiFiles> {
    this.#files ??= await this.#cluster.state.readPkiFiles();
    return this.#files;
  }

  /** One change of the state directory: these files in their order, and these removed. */
  async change(
    sentence: string,
    write: ReadonlyArray<[path: string, content: string]>,
    remove: readonly string[] = [],
  ): Promise<void> {
    const { state } = this.#cluster;
    await this.#cluster.change(sentence, async () => {
      for (const [path, content] of write) await state.write(path, content);
      for (const path of remove) await state.remove(path);
    });
    const files = { ...(await this.read()), ...Object.fromEntries(write) };
    for (const path of remove) delete files[path];
    this.#files = files;
  }

  /** Issues what the files ask for now; afterwards `cluster.pki` is what servers must have at this stage. */
  async issue(): Promise<void> {
    const issued = await issueFrom(this.#cluster, withTokenRotation(withRotation(await this.read())));
    this.#files = { ...(await this.read()), ...issued };
  }
}

const NAMES: Record<AuthorityPath, string> = {
  ca: 'cluster',
  'front-proxy-ca': 'front-proxy',
  'etcd/ca': 'etcd',
};

/** 'cluster, etcd', as --ca names them. */
export const namesOf = (authorities: readonly AuthorityPath[]): string =>
  authorities.map((authority) => NAMES[authority]).join(', ');

/** What each stage is, for the journal and the report. */
const SENTENCES: Record<RotationStage, string> = {
  trust: 'trust both authorities',
  issue: 'issue by the new authorities',
  drop: 'trust the new authorities alone',
};

/**
 * Takes the rotation to a stage, where it is not there yet: `begun` makes the new authorities. A rotation that broke off is
 * past it already. E_ROTATION where one of other authorities has not ended.
 */
export async function reach(
  stage: RotationStage,
  files: RotatedFiles,
  cluster: Cluster,
  asked: readonly AuthorityPath[],
): Promise<void> {
  const rotation = rotationOf(await files.read());
  if (rotation === undefined) {
    if (stage !== 'trust') return;
    await files.change(
      `make new authorities (${namesOf(asked)}), and ${SENTENCES.trust}`,
      beginRotation(await files.read(), asked, {
        clock: cluster.clock,
        algorithm: cluster.inventory.cluster.keys,
        passphrase: cluster.passphrase,
      }),
    );
  } else {
    refuseOthers(rotation, asked);
    if (!isBefore(rotation.stage, stage)) return;
    await files.change(`${SENTENCES[stage]} (${namesOf(rotation.authorities)})`, [advanceRotation(rotation)]);
  }
}

function refuseOthers({ authorities }: Rotation, asked: readonly AuthorityPath[]): void {
  if (authorities.length === asked.length && authorities.every((each) => asked.includes(each))) return;
  const names = namesOf(authorities);
  const again = authorities.length === 1 ? ` --ca ${names}` : '';
  throw new SlipwayError('E_ROTATION', `a rotation of other authorities has not ended: ${names}`, {
    hint: `end it first: slipway certs rotate-ca${again}`,
  });
}

/** Whether a stage is still to come, or is the present one, which may not have reached every server. */
export const isDue = (rotation: Rotation | undefined, stage: RotationStage): boolean =>
  rotation !== undefined && rotation.stage === stage;

const isBefore = (left: RotationStage, right: RotationStage): boolean =>
  ROTATION_STAGES.indexOf(left) < ROTATION_STAGES.indexOf(right);

/** Makes the new authorities the only ones. */
export async function end(files: RotatedFiles): Promise<void> {
  const rotation = rotationOf(await files.read());
  if (rotation === undefined) return;
  const { write, remove } = endRotation(await files.read());
  await files.change(`end the rotation (${namesOf(rotation.authorities)})`, write, remove);
}
