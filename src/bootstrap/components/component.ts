import { SlipwayError } from '../../base/errors.ts';
import { runsReplacedFile, startUnit, unitIsCurrent, type UnitFacts } from '../../provision/units.ts';
import { putFiles, sha256, type FileSpec } from '../../provision/files.ts';
import type { Cluster, Node } from '../cluster.ts';
import type { NodePhase } from '../phase.ts';
import { render } from '../render.ts';

/** A systemd unit with everything that its process reads: together they decide whether it must be restarted. */
export interface Component {
  unit: string;
  /** The unit's own file, or a drop-in for a unit of the distribution. */
  unitFile: FileSpec;
  files: FileSpec[];
  /** Hash over all of it and the release: what a running process tells by its environment. */
  config: string;
  /** Whether its process is our executable. */
  own: boolean;
}

export interface ComponentOptions {
  unit: string;
  unitPath: string;
  template: string;
  values: Record<string, unknown>;
  files: FileSpec[];
  /** What else a restart depends on: the release, where the process is ours. */
  version: string;
  own?: boolean;
}

export function buildComponent(options: ComponentOptions): Component {
  const unitText = (config: string): string => render(options.template, { ...options.values, config });
  const parts = [
    options.version,
    unitText(''),
    ...options.files.map(({ path, content }) => `${path} ${sha256(content)}`),
  ];
  const config = sha256(parts.join('\n')).slice(0, 16);
  return {
    unit: options.unit,
    unitFile: { path: options.unitPath, content: unitText(config), mode: 0o644 },
    files: options.files,
    config,
    own: options.own === true,
  };
}

/** A unit whose process is one of ours: `slipway-<name>` with these flags. */
export function ownComponent(
  node: Node,
  name: string,
  flags: ReadonlyArray<string | undefined>,
  files: FileSpec[],
  values: Record<string, unknown> = {},
): Component {
  const given = flags.filter((flag) => flag !== undefined);
  return buildComponent({
    unit: `slipway-${name}.service`,
    unitPath: `/etc/systemd/system/slipway-${name}.service`,
    template: `systemd/slipway-${name}.service.hbs`,
    values: {
      command: [`/usr/local/bin/slipway-${name}`, ...given].join(' \\\n  '),
      nodeOptions: '--max-semi-space-size=2',
      oomScoreAdjust: node.facts.canLowerOomScore ? -900 : undefined,
      ...values,
    },
    files,
    version: node.cluster.release.id,
    own: true,
  });
}

/** Whether a file on the server differs from what it must be. */
export function differs(node: Node, file: FileSpec): boolean {
  const found = node.facts.files.get(file.path);
  return (
    found?.sha256 !== sha256(file.content) ||
    Number.parseInt(found.mode, 8) !== file.mode ||
    found.owner !== (file.owner ?? 'root:root')
  );
}

/** '/etc/x is missing; /etc/y was changed on the server since it was written'. */
function reasonsOf(node: Node, files: readonly FileSpec[]): string {
  const reasons = files.map((file) => {
    const found = node.facts.files.get(file.path);
    if (!found) return `${file.path} is missing`;
    if (found.sha256 === sha256(file.content)) {
      return `${file.path} is ${found.mode} ${found.owner} instead of ${file.mode.toString(8)} ${file.owner ?? 'root:root'}`;
    }
    const last = node.cluster.applied.lastHash(node.name, file.path);
    if (last === undefined) return `${file.path} is not what it should be`;
    return last === found.sha256
      ? `${file.path} is what was written before; the inventory, the keys or the release changed`
      : `${file.path} was changed on the server since it was written`;
  });
  return reasons.join('; ');
}

/** Writes what differs, in one round trip. */
export async function writeFiles(node: Node, files: readonly FileSpec[]): Promise<void> {
  const wanted = files.filter((file) => differs(node, file));
  if (wanted.length === 0) return;
  const change = `write ${wanted.map(({ path }) => path).join(', ')}`;
  await node.change(
    change,
    () => putFiles(node.host, change, wanted, { signal: node.cluster.signal }),
    reasonsOf(node, wanted),
  );
  node.cluster.applied.wrote(node.name, wanted);
  // Components share files: the next one must not write them again.
  for (const { path, content, mode, owner = 'root:root' } of wanted) {
    node.facts.files.set(path, { sha256: sha256(content), mode: mode.toString(8), owner });
  }
}

/** A phase that brings a component's files and makes its unit run with them. */
export function componentPhase(options: {
  id: string;
  title: string;
  nodes: (cluster: Cluster) => readonly Node[];
  component: (node: Node) => Component;
  /**
   * For what others rely on while it runs: servers restart it one after the other, and each must settle before the
   * next begins. What does not run yet is started side by side.
   */
  settle?: (node: Node) => Promise<void>;
  /** How many servers have their turn at a time. One where absent. */
  atOnce?: (cluster: Cluster) => number;
}): NodePhase {
  const turns = new WeakMap<Cluster, Turns>();
  return {
    id: options.id,
    title: options.title,
    kind: 'change',
    nodes: options.nodes,
    run: async (node, cluster) => {
      const component = options.component(node);
      const { settle } = options;
      if (settle === undefined || !isRestart(node, component)) {
        await bringAbout(node, component);
        return;
      }
      const turn = turns.get(cluster) ?? new Turns(options.atOnce?.(cluster) ?? 1);
      turns.set(cluster, turn);
      await turn.take(node, async () => {
        await bringAbout(node, component);
        if (!cluster.dryRun) await settle(node);
      });
    },
  };
}

const isRestart = (node: Node, component: Component): boolean => {
  const facts = node.facts.units.get(component.unit);
  return facts?.activeState === 'active' && !isCurrent(facts, component);
};

/** A process of ours that runs from a file that was replaced runs something that nobody can look at any more. */
const isCurrent = (facts: UnitFacts | undefined, { config, own }: Component): boolean =>
  unitIsCurrent(facts, config) && !(own && facts !== undefined && runsReplacedFile(facts));

/** Writes a component's files and makes its unit run with them, where anything differs. */
export async function bringAbout(node: Node, component: Component): Promise<void> {
  await writeFiles(node, [...component.files, component.unitFile]);
  const facts = node.facts.units.get(component.unit);
  if (isCurrent(facts, component)) return;
  const change = `${facts?.activeState === 'active' ? 'restart' : 'start'} ${component.unit}`;
  await node.change(
    change,
    () => startUnit(node.host, change, component.unit, node.cluster.signal),
    unitReason(facts, component),
  );
  noteRunning(node, component);
}

/** What the facts say after a change of this run: a later step may change the component again. */
export function noteRunning({ facts }: Node, { unit, config }: Component): void {
  const known = facts.units.get(unit);
  if (!known) return;
  const executable = known.executable?.replace(/ \(deleted\)$/, '');
  facts.units.set(unit, { ...known, config, executable, activeState: 'active', unitFileState: 'enabled' });
}

function unitReason(facts: UnitFacts | undefined, { config }: Component): string {
  if (facts?.activeState !== 'active') return `it is ${facts?.activeState || 'not there'}`;
  if (facts.config !== config) return 'it runs with an older configuration or release';
  if (facts.unitFileState !== 'enabled')
    return `it is ${facts.unitFileState || 'not enabled'}, and would not start at boot`;
  return 'the file that it was started from has been replaced';
}

/** Servers one after the other in each lane; when one fails, those that have not begun are left as they are. */
class Turns {
  readonly #lanes: Array<Promise<void>>;
  #taken = 0;
  #failed: Node | undefined;

  constructor(lanes: number) {
    this.#lanes = Array.from({ length: lanes }, () => Promise.resolve());
  }

  take(node: Node, step: () => Promise<void>): Promise<void> {
    const lane = this.#taken++ % this.#lanes.length;
    const mine = this.#begin(this.#lanes[lane], node, step);
    this.#lanes[lane] = mine.catch(() => {});
    return mine;
  }

  async #begin(before: Promise<void> | undefined, node: Node, step: () => Promise<void>): Promise<void> {
    await before;
    if (this.#failed) {
      throw new SlipwayError(
        'E_NOT_TRIED',
        `${node.name} was left as it is, because ${this.#failed.name} failed`,
      );
    }
    try {
      await step();
    } catch (error) {
      this.#failed = node;
      throw error;
    }
  }
}
