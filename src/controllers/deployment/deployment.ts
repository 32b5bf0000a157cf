import { DEPLOYMENTS, PODS, REPLICASETS } from '../../api/gen/resources.ts';
import type { Deployment, ReplicaSet } from '../../api/gen/types/apps-v1.ts';
import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { selectorMatches } from '../../client/selectors.ts';
import { BY_CONTROLLER, claim, controllerIndex } from '../shared/claim.ts';
import { keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import type { KeyQueue } from '../shared/key-queue.ts';
import { controllerOf, keyOf, metaOf, splitKey, uidOf } from '../shared/meta.ts';
import { isPodTerminal } from '../shared/pod-status.ts';
import { isActive, sizeOf, splitGenerations, total } from './replica-sets.ts';
import { Rollout } from './rollout.ts';
import {
  conditionOf,
  countedStatus,
  deadlineMs,
  hasProgressDeadline,
  isComplete,
  rolloutStatus,
} from './status.ts';
import { isRollingUpdate } from './fenceposts.ts';
import { isScalingEvent, planNewest, planOld, planScale } from './strategy.ts';

export const deploymentController: ControllerDefinition = {
  name: 'deployment',
  inputs: ['deployments', 'replicasets', 'pods'],
  outputs: ['replicasets', 'deployments', 'deployments/status', 'events'],
  start: (context) => new DeploymentController(context).loops,
};

/** Rolls templates out over ReplicaSets. Mirrors pkg/controller/deployment/deployment_controller.go. */
class DeploymentController {
  readonly loops: Loop[];
  readonly #context: ControllerContext;
  readonly #deployments: Informer<Deployment>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #pods: Informer<Pod>;
  readonly #recorder: EventRecorder;
  readonly #queue: KeyQueue;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#recorder = recorderFor(context, 'deployment-controller');
    this.#deployments = context.informers.for(DEPLOYMENTS);
    this.#sets = context.informers.for(REPLICASETS, { indexes: { [BY_CONTROLLER]: controllerIndex } });
    this.#pods = context.informers.for(PODS, { indexes: { [BY_CONTROLLER]: controllerIndex } });
    const { queue, loop } = keyedLoop(context, {
      name: 'deployment',
      workers: 8,
      sync: (key) => this.#sync(key),
    });
    this.#queue = queue;
    this.loops = [loop];
    this.#deployments.subscribe({
      added: (deployment) => queue.add(keyOf(deployment)),
      updated: (_, deployment) => queue.add(keyOf(deployment)),
    });
    this.#sets.subscribe({
      added: (set) => this.#enqueueOwner(set),
      updated: (old, set) => {
        if (controllerOf(old)?.uid !== controllerOf(set)?.uid) this.#enqueueOwner(old);
        this.#enqueueOwner(set);
      },
      deleted: (set) => this.#enqueueOwner(set),
    });
    // Recreate waits for the last pod of the old template to be gone.
    this.#pods.subscribe({
      deleted: (pod) => this.#podGone(pod),
      updated: (_, pod) => isPodTerminal(pod) && this.#podGone(pod),
    });
  }

  #enqueueOwner(set: ReplicaSet): void {
    const ref = controllerOf(set);
    const { namespace } = metaOf(set);
    if (ref) {
      const owner = ref.kind === 'Deployment' ? this.#deployments.get(ref.name, namespace) : undefined;
      if (owner && uidOf(owner) === ref.uid) this.#queue.add(keyOf(owner));
      return;
    }
    for (const deployment of this.#deployments.list(namespace))
      if (selectorMatches(deployment.spec?.selector, metaOf(set).labels)) this.#queue.add(keyOf(deployment));
  }

  #podGone(pod: Pod): void {
    const ref = controllerOf(pod);
    if (ref?.kind !== 'ReplicaSet') return;
    const set = this.#sets.get(ref.name, metaOf(pod).namespace);
    const owner = set && controllerOf(set);
    const deployment = owner && this.#deployments.get(owner.name, metaOf(pod).namespace);
    if (deployment && !isRollingUpdate(deployment)) this.#queue.add(keyOf(deployment));
  }

  async #sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const deployment = this.#deployments.get(name, namespace);
    if (!deployment) return;
    const { selector } = deployment.spec ?? {};
    if (Object.keys(selector?.matchLabels ?? {}).length === 0 && !selector?.matchExpressions?.length) {
      const message = 'This deployment is selecting all pods. A non-empty selector is required.';
      this.#recorder.event(deployment, 'Warning', 'SelectingAll', message);
      return;
    }
    const sets = await this.#claimed(deployment);
    const { client, clock } = this.#context;
    const rollout = new Rollout(
      { client, clock, recorder: this.#recorder },
      deployment,
      splitGenerations(deployment, sets),
    );
    if (metaOf(deployment).deletionTimestamp) return this.#writeCounts(rollout);
    this.#notePause(rollout);
    if (deployment.spec?.paused || isScalingEvent(deployment, rollout.generations))
      return this.#scaleOnly(rollout);
    if (isRollingUpdate(deployment)) await this.#rollingUpdate(rollout);
    else await this.#recreate(rollout, sets);
    await this.#writeRollout(key, rollout);
  }

  #claimed(deployment: Deployment): Promise<ReplicaSet[]> {
    const { client } = this.#context;
    const orphans = this.#sets.byIndex(BY_CONTROLLER, `/${metaOf(deployment).namespace ?? ''}`);
    const candidates = [...this.#sets.byIndex(BY_CONTROLLER, uidOf(deployment)), ...orphans];
    const matches = (set: ReplicaSet): boolean =>
      selectorMatches(deployment.spec?.selector, metaOf(set).labels);
    return claim(candidates, {
      client,
      resource: REPLICASETS,
      owner: deployment,
      ownerResource: DEPLOYMENTS,
      matches,
    });
  }

  #notePause(rollout: Rollout): void {
    const { deployment, conditions } = rollout;
    const current = conditionOf(conditions, 'Progressing');
    if (!hasProgressDeadline(deployment) || current?.reason === 'ProgressDeadlineExceeded') return;
    const noted = current?.reason === 'DeploymentPaused';
    if (deployment.spec?.paused && !noted)
      rollout.setProgress('Unknown', 'DeploymentPaused', 'Deployment is paused');
    else if (!deployment.spec?.paused && noted)
      rollout.setProgress('Unknown', 'DeploymentResumed', 'Deployment is resumed');
  }

  async #scaleOnly(rollout: Rollout): Promise<void> {
    await rollout.ensureNewest(false);
    await rollout.resize(planScale(rollout.deployment, rollout.generations));
    if (rollout.deployment.spec?.paused) await rollout.cleanUp();
    await this.#writeCounts(rollout);
  }

  async #rollingUpdate(rollout: Rollout): Promise<void> {
    await rollout.ensureNewest(true);
    const up = planNewest(rollout.deployment, rollout.generations);
    if (up && (await rollout.resize([up]))) return;
    if (await rollout.resize(planOld(rollout.deployment, rollout.generations))) return;
    if (isComplete(rollout.deployment, rollout.deployment.status)) await rollout.cleanUp();
  }

  async #recreate(rollout: Rollout, sets: readonly ReplicaSet[]): Promise<void> {
    await rollout.ensureNewest(false);
    const down = rollout.generations.old.filter(isActive).map((set) => ({ set, replicas: 0 }));
    if (await rollout.resize(down)) return;
    if (this.#oldPodsRun(rollout, sets)) return;
    if (!rollout.generations.newest) await rollout.ensureNewest(true);
    const { newest } = rollout.generations;
    if (newest) await rollout.resize([{ set: newest, replicas: sizeOf(rollout.deployment) }]);
    if (isComplete(rollout.deployment, rollout.deployment.status)) await rollout.cleanUp();
  }

  #oldPodsRun({ generations }: Rollout, sets: readonly ReplicaSet[]): boolean {
    if (total(generations.old, (set) => set.status?.replicas) > 0) return true;
    const others = sets.filter((set) => !generations.newest || uidOf(set) !== uidOf(generations.newest));
    return others.some((set) =>
      this.#pods.byIndex(BY_CONTROLLER, uidOf(set)).some((pod) => !isPodTerminal(pod)),
    );
  }

  async #writeCounts(rollout: Rollout): Promise<void> {
    const { deployment, generations, conditions } = rollout;
    await rollout.writeStatus(countedStatus(deployment, generations, conditions, this.#context.clock.now()));
  }

  async #writeRollout(key: string, rollout: Rollout): Promise<void> {
    const { clock } = this.#context;
    const status = rolloutStatus(rollout.deployment, rollout.generations, rollout.conditions, clock.now());
    await rollout.writeStatus(status);
    const deadline = deadlineMs(rollout.deployment, conditionOf(status.conditions, 'Progressing'));
    // A rollout that is stuck makes no events: only the clock can tell.
    if (deadline !== undefined && !isComplete(rollout.deployment, status))
      this.#queue.addAfter(key, Math.max(1_000, deadline - clock.now() + 1_000));
  }
}
