import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';
import { rfc3339 } from '../../base/clock.ts';
import { runScript } from '../../provision/host.ts';
import { removeFiles } from '../../provision/files.ts';
import type { ActionOptions } from '../actions/run-action.ts';
import type { Node } from '../cluster.ts';
import { allNodes, type ClusterPhase, type NodePhase, type Phase } from '../phase.ts';
import { applyBootstrapObjects } from '../phases/bootstrap-objects.ts';
import { connect } from '../phases/connect.ts';
import { inspectEtcd, installEtcd, validateEtcd } from '../phases/etcd.ts';
import { bringExecutable } from '../phases/executable.ts';
import { facts } from '../phases/facts.ts';
import { installMissingPackages, validateBundle } from '../phases/packages.ts';
import { pki } from '../phases/pki.ts';
import { prepareServer } from '../phases/prepare-server.ts';
import { validateServers, validateTogether } from '../phases/validate-servers.ts';
import { apiOf, useApi } from '../phases/wait-apiserver.ts';
import { describeFinding, refuseWhereMust, type Finding } from '../preflight/finding.ts';
import { installedRelease, RELEASES_DIRECTORY } from '../release.ts';
import { lookAtVersions, takePicture } from './look.ts';
import { readUpgradeRecord, removeUpgradeRecord, writeUpgradeRecord, type UpgradeRecord } from './record.ts';
import { batchSize, stagesOf, type RollRequest, type Stage } from './request.ts';
import { rollApi, rollNode } from './roll.ts';
import { simulate } from './simulate.ts';
import { checkSkew } from './skew.ts';

/** What the phases of an upgrade know of each other, and what its caller is told. */
export interface Roll {
  request: RollRequest;
  /** All that the simulation found, the fine things too. */
  findings: Finding[];
  /** Id of the release that it comes from; undefined where every server has the release already. */
  from: string | undefined;
  record: UpgradeRecord | undefined;
}

/** The runbook of an upgrade or of the way back; the stages follow from the inventory. */
export function rollPhases(options: Pick<ActionOptions, 'open' | 'inventory'>, roll: Roll): Phase[] {
  const { request } = roll;
  const servers = options.inventory.servers.map(({ name, roles }) => ({
    name,
    controlPlane: roles.includes('control-plane'),
  }));
  const stages = stagesOf(servers, request);
  const work = stages.map((stage) => stagePhase(stage, roll));
  // What is new among the cluster's own objects must be there before components ask for it.
  const at = work.findLastIndex((_, i) => stages[i]?.part === 'api') + 1;
  const ordered: Phase[] =
    request.direction === 'forward'
      ? [...work.slice(0, at), applyBootstrapObjects, ...work.slice(at)]
      : [...work, applyBootstrapObjects];
  return [
    checkRequest(roll),
    inspectEtcd,
    connect(options.open),
    facts,
    validateServers,
    validateTogether,
    validateEtcd,
    validateBundle,
    simulation(roll, stages),
    pki,
    begin(roll),
    prepareServer,
    installMissingPackages,
    bringRelease,
    installEtcd,
    ...ordered,
    pruneReleases(roll),
    finish(roll),
  ];
}

const checkRequest = (roll: Roll): ClusterPhase => ({
  id: 'upgrade-request',
  title: 'Read the request',
  kind: 'check',
  run: async (cluster) => {
    const { release, state } = cluster;
    const { direction, to, batch } = roll.request;
    batchSize(batch, 1);
    roll.record = await readUpgradeRecord(state);
    if (to !== undefined && to.replace(/^v/, '') !== release.version) {
      throw new SlipwayError('E_UPGRADE', `the executable is slipway ${release.version}, and not ${to}`, {
        hint: `run "upgrade" of slipway ${to}, or name its executable with --executable`,
      });
    }
    if (direction === 'back' && roll.record?.from !== release.id) {
      throw new SlipwayError(
        'E_UPGRADE',
        roll.record
          ? `the way back leads to release ${roll.record.from}, and the executable is ${release.id}`
          : 'there is no upgrade to take back',
        { hint: '"slipway status" tells which release each server runs' },
      );
    }
  },
});

const simulation = (roll: Roll, stages: readonly Stage[]): ClusterPhase => ({
  id: 'simulate',
  title: 'Play it through',
  kind: 'check',
  run: async (cluster) => {
    const missing = cluster.nodes.filter((node) => installedRelease(node.facts) === undefined);
    if (missing.length > 0) {
      throw new SlipwayError(
        'E_UPGRADE',
        `${missing.map(({ name }) => name).join(', ')}: no release is installed there`,
        {
          hint: 'join the servers first ("slipway join"), or take them out of the inventory',
        },
      );
    }
    cluster.pki = await cluster.state.readPki();
    await useApi(cluster, cluster.controlPlanes);
    const client = apiOf(cluster);
    const versions = await lookAtVersions(cluster, client);
    roll.from = [...versions.releases.values()].find((id) => id !== cluster.release.id);
    const skew = checkSkew(cluster.release, versions, roll.request.direction);
    // Nobody may ignore these: an older release may not be able to read what a newer one has stored.
    if (!cluster.dryRun) refuseWhereMust(skew);
    roll.findings.push(...skew);
    roll.findings.push(...simulate(await takePicture(cluster, client, roll.request), stages, roll.request));
    for (const finding of roll.findings) {
      const tolerated = finding.severity === 'must' && roll.request.ignoreFindings;
      if (finding.severity === 'should' || tolerated)
        cluster.report({ type: 'warning', node: undefined, message: describeFinding(finding) });
    }
    if (!roll.request.ignoreFindings && !cluster.dryRun) refuseWhereMust(roll.findings);
  },
});

/** From here on there is a way back: where it leads is written down before the first server is touched. */
const begin = (roll: Roll): ClusterPhase => ({
  id: 'begin',
  title: 'Write down where it comes from',
  kind: 'change',
  run: async (cluster) => {
    const { from, record } = roll;
    const to = cluster.release.id;
    if (from === undefined) return;
    if (roll.request.direction === 'back') {
      const { finished, ...unfinished } = record ?? { version: 1, from: to, to: from, begun: '' };
      if (finished === undefined) return;
      await cluster.change(`begin the way back from ${from} to ${to}`, () =>
        writeUpgradeRecord(cluster.state, unfinished),
      );
      return;
    }
    if (record?.from === from && record.to === to && record.finished === undefined) return;
    roll.record = { version: 1, from, to, begun: rfc3339(cluster.clock.now()) };
    const next = roll.record;
    await cluster.change(`begin the upgrade from ${from} to ${to}`, () =>
      writeUpgradeRecord(cluster.state, next),
    );
  },
});

/** All servers at once: nothing runs it yet. */
const bringRelease: NodePhase = {
  id: 'executable',
  title: 'Bring the release to the servers',
  kind: 'change',
  nodes: allNodes,
  run: bringExecutable,
};

function stagePhase({ part, nodes }: Stage, roll: Roll): NodePhase {
  const names = nodes.join(', ');
  return {
    id: part === 'api' ? 'upgrade-api' : 'upgrade-node',
    title: part === 'api' ? `${names}: etcd and API server` : `${names}: everything else`,
    kind: 'change',
    nodes: (cluster) => cluster.nodes.filter(({ name }) => nodes.includes(name)),
    run: async (node, cluster) => {
      try {
        await (part === 'api' ? rollApi(node) : rollNode(node, roll.request));
      } catch (error) {
        cluster.signal.throwIfAborted();
        throw withWayBack(error, roll);
      }
    },
  };
}

/** The failure with what one can do about it: nothing behind this server was touched. */
function withWayBack(error: unknown, { record, request }: Roll): unknown {
  const code = codeOf(error);
  if (code === undefined || record === undefined) return error;
  const hints = [
    ...(error instanceof SlipwayError && error.hint ? [error.hint] : []),
    request.direction === 'forward'
      ? `go on with the same command when the cause is gone, or back to ${record.from} with "slipway rollback"`
      : 'go on with the same command when the cause is gone',
  ];
  return new SlipwayError(code, messageOf(error), { cause: error, hint: hints.join('\nhint: ') });
}

/** The release of before stays for the way back; older ones go. */
const pruneReleases = (roll: Roll): NodePhase => ({
  id: 'prune-releases',
  title: 'Remove older releases',
  kind: 'change',
  nodes: allNodes,
  run: async (node, cluster) => {
    const { record } = roll;
    if (record === undefined || cluster.dryRun) return;
    const kept = [cluster.release.id, record.from, record.to];
    const older = (await releasesOn(node)).filter((id) => !kept.includes(id));
    for (const id of older) {
      const directory = `${RELEASES_DIRECTORY}/${id}`;
      const change = `remove ${directory}`;
      await node.change(change, async () => {
        await removeFiles(node.host, change, [`${directory}/slipway`], { signal: cluster.signal });
        await runScript(node.host, change, `rmdir '${directory}' 2>/dev/null || true\n`);
      });
    }
  },
});

async function releasesOn(node: Node): Promise<string[]> {
  const script = `for path in ${RELEASES_DIRECTORY}/*/slipway; do [ -f "$path" ] && basename "$(dirname "$path")"; done; true\n`;
  const text = await runScript(node.host, 'listing the releases', script);
  return text.split('\n').filter((id) => /^[\w.+-]+$/.test(id));
}

const finish = (roll: Roll): ClusterPhase => ({
  id: 'finish',
  title: 'Write down that it is finished',
  kind: 'change',
  run: async (cluster) => {
    const { record, request } = roll;
    if (record === undefined) return;
    if (request.direction === 'back') {
      await cluster.change(`finish the way back to ${cluster.release.id}`, () =>
        removeUpgradeRecord(cluster.state),
      );
    } else if (record.to === cluster.release.id && record.finished === undefined) {
      const finished = rfc3339(cluster.clock.now());
      await cluster.change(`finish the upgrade to ${cluster.release.id}`, () =>
        writeUpgradeRecord(cluster.state, { ...record, finished }),
      );
    }
  },
});
