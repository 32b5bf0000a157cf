import type { Clock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import type { PkiFiles } from '../pki/cluster-pki.ts';
import type { Facts } from '../provision/facts.ts';
import { FencedHost } from '../provision/fenced-host.ts';
import type { Host } from '../provision/host.ts';
import { KnownExecutables } from './known-executables.ts';
import { lockCluster } from './cluster-lock.ts';
import { Journal, JOURNAL } from './journal.ts';
import { OperatorLocks, type LockOptions } from './operator-locks.ts';
import { AppliedState } from './applied-state.ts';
import type { ApiAccess } from './api-access.ts';
import { addressAt, parseRange } from './inventory/ranges.ts';
import type { Inventory, ServerEntry } from './inventory/schema.ts';
import type { PlanGate } from './plan-gate.ts';
import type { Release } from './release.ts';
import type { Report } from './report.ts';
import type { StateDirectory } from './state-directory.ts';

export interface ClusterOptions {
  inventory: Inventory;
  release: Release;
  state: StateDirectory;
  clock: Clock;
  report: Report;
  signal: AbortSignal;
  dryRun: boolean;
  /** A bundle of packages on this machine. */
  bundlePath?: string;
  /** Without it nothing is locked: for tests of one phase alone. */
  lock?: LockOptions;
  /** The run may make these changes and no others. */
  gate?: PlanGate;
  /** Opens the way to a server. */
  open?: (node: Node) => Promise<Host>;
  /** For the root keys. */
  passphrase?: string;
  /** An etcd on this machine, instead of the distribution's. */
  etcdBinaryPath?: string;
}

/** One change of a run, or in a dry run what would be one. */
export interface Change {
  /** Undefined: the operator's own state, or the cluster's objects. */
  node: string | undefined;
  phase: string;
  change: string;
  reason: string | undefined;
}

/** An etcd that the operator gave, and where it goes on the servers. */
export interface EtcdBinary {
  path: string;
  sha256: string;
  bytes: number;
  target: string;
}

/** A cluster while a command works on it: what is wanted, what is there, and what has been changed. */
export class Cluster {
  readonly inventory: Inventory;
  readonly release: Release;
  readonly state: StateDirectory;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly dryRun: boolean;
  readonly bundlePath: string | undefined;
  readonly passphrase: string | undefined;
  readonly etcdBinaryPath: string | undefined;
  readonly nodes: readonly Node[];
  /** Those of them that the command changes; a phase may narrow them down. Default: all. */
  targets: readonly Node[];
  readonly report: Report;
  /** Whether a server has been changed, or may have been. */
  touched = false;
  readonly #locks: OperatorLocks | undefined;
  readonly #open: ClusterOptions['open'];
  readonly #gate: PlanGate | undefined;
  readonly #journal: Journal;
  #locking: Promise<void> | undefined;
  /** Sentences of what has been changed, or in a dry run would be. */
  readonly changes: Change[] = [];
  /** Which executables need not be hashed again. */
  knownExecutables = new KnownExecutables();
  /** Bytes of the journal when this run began to look: more by the time of its lock are another run's. */
  journalBytes: number | undefined;
  /** What an earlier run left on the servers; set by the phase 'facts' of commands that compare with it. */
  applied: AppliedState = new AppliedState({});
  /** Where a measurement has left our executable for a while, so that it is not sent again. */
  readonly probes = new Map<Node, { executable: string; close(): Promise<void> }>();
  /** Set by the phase 'pki'. */
  pki: PkiFiles = {};
  /** Set by the phase 'validate-etcd', where the inventory names one. */
  etcdBinary: EtcdBinary | undefined;
  /** Set by the phase 'wait-apiserver'; not in a dry run before the first `up`. */
  api: ApiAccess | undefined;
  /** The phase that runs, for the report. */
  phase = '';

  constructor(options: ClusterOptions) {
    this.inventory = options.inventory;
    this.release = options.release;
    this.state = options.state;
    this.clock = options.clock;
    this.signal = options.signal;
    this.dryRun = options.dryRun;
    this.bundlePath = options.bundlePath;
    this.passphrase = options.passphrase;
    this.etcdBinaryPath = options.etcdBinaryPath;
    this.report = options.report;
    this.#journal = new Journal(options.state, options.clock);
    this.#locks = options.lock && new OperatorLocks(options.lock);
    this.#open = options.open;
    this.#gate = options.gate;
    this.nodes = options.inventory.servers.map((entry) => new Node(this, entry));
    this.targets = this.nodes;
  }

  get controlPlanes(): readonly Node[] {
    return this.nodes.filter((node) => node.isControlPlane);
  }

  /** The API server that this run talks to. */
  get firstControlPlane(): Node {
    const [first] = this.controlPlanes;
    if (first === undefined) throw new Error('an inventory without a control plane passed its rules');
    return first;
  }

  /** 'https://10.0.0.1:6443' of every control plane. */
  get apiServers(): [string, ...string[]] {
    const { port } = this.inventory.api;
    const [first, ...rest] = this.controlPlanes.map(({ address }) => `https://${address}:${port}`);
    return [first ?? '', ...rest];
  }

  /** The n-th address of the service range. */
  serviceAddress(index: number): string {
    const range = parseRange(this.inventory.network.serviceRange);
    if (range === undefined) throw new Error('an inventory with a bad service range passed its rules');
    return addressAt(range, index);
  }

  get dnsAddress(): string {
    return this.inventory.network.dnsAddress ?? this.serviceAddress(10);
  }

  /** Makes a change of the cluster's own state (not of a server), or in a dry run only tells of it. */
  async change(sentence: string, fn: () => Promise<void>, reason?: string): Promise<void> {
    await this.recordChange(undefined, sentence, fn, reason);
  }

  async recordChange(
    node: string | undefined,
    change: string,
    fn: () => Promise<void>,
    reason?: string,
  ): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.dryRun) this.#gate?.pass(node, change);
    await this.lock();
    const { phase, dryRun } = this;
    this.changes.push({ node, phase, change, reason });
    this.report({ type: 'change', phase, node, change, reason, dryRun });
    if (this.dryRun) return;
    if (node !== undefined) this.touched = true;
    const host = this.nodes.find(({ name }) => name === node)?.fencedHost;
    await this.#journal.record({ phase, node, change }, async (id) => {
      host?.step(id);
      await fn();
    });
  }

  /**
   * Takes the locks of the cluster, its servers and the state directory, once. The first change asks for it: a run that finds
   * nothing to do writes nothing, not even a lock. Errors: E_LOCKED; E_STATE_CHANGED where another run has changed
   * something since this one began to look.
   */
  async lock(): Promise<void> {
    if (this.#locks && !this.dryRun) await (this.#locking ??= this.#lock(this.#locks));
  }

  /** Gives the locks back; where none was needed, those that dead runs of this machine have left. */
  async unlock(): Promise<void> {
    if (this.#locking !== undefined) await this.#locks?.release();
    else if (!this.dryRun) {
      const hosts = this.nodes.flatMap(({ fencedHost }) => (fencedHost === undefined ? [] : [fencedHost]));
      await this.#locks?.forgetDead(hosts, this.state);
    }
  }

  async #lock(locks: OperatorLocks): Promise<void> {
    await lockCluster(this, locks, this.#open);
    if (this.journalBytes === undefined || (await this.state.size(JOURNAL)) === this.journalBytes) return;
    throw new SlipwayError(
      'E_STATE_CHANGED',
      'another run has changed the cluster since this one looked at it',
      {
        hint: 'run the same command again',
      },
    );
  }
}

/** A server of the inventory. */
export class Node {
  readonly cluster: Cluster;
  readonly entry: ServerEntry;
  readonly name: string;
  readonly address: string;
  #host: FencedHost | undefined;
  #facts: Facts | undefined;

  constructor(cluster: Cluster, entry: ServerEntry) {
    this.cluster = cluster;
    this.entry = entry;
    this.name = entry.name;
    this.address = entry.address;
  }

  get isControlPlane(): boolean {
    return this.entry.roles.includes('control-plane');
  }

  get isWorker(): boolean {
    return this.entry.roles.includes('worker');
  }

  get host(): Host {
    if (this.#host === undefined) throw new Error(`${this.name} is used before the phase "connect"`);
    return this.#host;
  }

  set host(host: Host) {
    this.#host = new FencedHost(host);
  }

  /** The connection, for whoever takes its lock. */
  get fencedHost(): FencedHost | undefined {
    return this.#host;
  }

  /** It was tried, and does not answer: nobody waits for it a second time. */
  lost = false;

  /** Forgets a connection that is lost. */
  disconnect(): void {
    this.#host = undefined;
  }

  get connected(): boolean {
    return this.#host !== undefined;
  }

  /** Whether the server was looked at: some commands leave those alone that they do not change. */
  get probed(): boolean {
    return this.#facts !== undefined;
  }

  get facts(): Facts {
    if (this.#facts === undefined) throw new Error(`${this.name} is used before the phase "facts"`);
    return this.#facts;
  }

  set facts(facts: Facts) {
    this.#facts = facts;
    const { knownExecutables, clock } = this.cluster;
    for (const [path, sha256] of facts.executables) {
      const stamp = facts.stamps.get(path) ?? '';
      knownExecutables.note(this.name, { path, stamp, sha256, hashedMs: clock.now() });
    }
  }

  /** Every change of a server goes through here: with its sentence, and not at all in a dry run. */
  async change(sentence: string, fn: () => Promise<void>, reason?: string): Promise<void> {
    await this.cluster.recordChange(this.name, sentence, fn, reason);
  }

  warn(message: string): void {
    this.cluster.report({ type: 'warning', node: this.name, message });
  }

  /** A precondition that does not hold, in words that name the server. */
  refuse(message: string, hint: string): SlipwayError {
    return new SlipwayError('E_PREFLIGHT', `${this.name}: ${message}`, { hint });
  }
}
