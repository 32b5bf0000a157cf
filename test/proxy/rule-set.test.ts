import test from 'ava';
import * as fc from 'fast-check';
import { RuleSet } from '../../src/proxy/rule-set.ts';
import { buildServiceRules, type ServiceRules } from '../../src/proxy/rules.ts';
import { affinityCommands } from '../../src/proxy/nft-table.ts';
import { cleanStaleFlows, parseFlows, staleFlows } from '../../src/proxy/conntrack.ts';
import { proxiedPorts } from '../../src/proxy/service-ports.ts';
import { CommandError } from '../../src/base/command.ts';
import { CONTEXT, service, slice } from './rule-builders.ts';

/** As much of the kernel as a transaction needs: refuses what nft refuses, and knows what stands. */
class Kernel {
  chains = new Map<string, string[]>();
  sets = new Set<string>();
  elements = new Map<string, string>();

  apply(text: string): void {
    for (const line of text.split('\n').filter(Boolean)) this.#command(line);
    this.#check();
  }

  #command(line: string): void {
    const [, verb = '', kind = '', rest = ''] = /^(\w+) (\w+) ip6? slipway-proxy (.*)$/.exec(line) ?? [];
    const [name = ''] = rest.split(' ');
    const body = rest.slice(name.length + 1);
    const must = (condition: boolean) => {
      if (!condition) throw new Error(`nft would refuse: ${line}`);
    };
    if (kind === 'chain' && verb === 'add') this.chains.set(name, this.chains.get(name) ?? []);
    else if (kind === 'chain') must(this.chains.has(name));
    if (kind === 'chain' && verb === 'flush') this.chains.set(name, []);
    if (kind === 'chain' && verb === 'delete') this.chains.delete(name);
    if (kind === 'rule') {
      must(this.chains.has(name));
      this.chains.get(name)?.push(body);
    }
    if (kind === 'set' && verb === 'add') this.sets.add(name);
    if (kind === 'set' && verb === 'delete') must(this.sets.delete(name));
    if (kind !== 'element') return;
    for (const element of body.slice(2, -2).split(', ')) {
      const [key = '', verdict = ''] = element.split(' : ');
      const id = `${name} ${key}`;
      if (verb === 'delete') must(this.elements.delete(id));
      else {
        must(!this.elements.has(id) || this.elements.get(id) === verdict);
        this.elements.set(id, verdict);
      }
    }
  }

  /** What the kernel checks when it commits: nothing names a chain or a set that is not there. */
  #check(): void {
    const rules = [...this.chains.values()].flat();
    const texts = [...rules, ...this.elements.values()];
    for (const [, target = ''] of texts.flatMap((text) => [...text.matchAll(/goto ([^\s,}]+)/g)])) {
      if (target !== 'reject-chain' && !this.chains.has(target)) throw new Error(`no chain ${target}`);
    }
    for (const [, set = ''] of rules.flatMap((text) => [...text.matchAll(/@([^\s]+)/g)])) {
      if (!this.sets.has(set)) throw new Error(`no set ${set}`);
    }
  }

  /** What counts: empty chains are on their way out. */
  state(): unknown {
    const chains = [...this.chains].filter(([, rules]) => rules.length > 0);
    const lines = (entries: readonly unknown[]) => entries.map((entry) => JSON.stringify(entry)).toSorted();
    return [lines(chains), lines([...this.sets]), lines([...this.elements])];
  }
}

const names = ['default/a', 'default/b', 'other/c'];

interface Change {
  name: string;
  endpoints: string;
  affinity: boolean;
  nodePort: boolean;
  local: boolean;
  external: boolean;
  gone: boolean;
  removeStale: boolean;
}

const change: fc.Arbitrary<Change> = fc.record({
  name: fc.constantFrom(...names),
  endpoints: fc.constantFrom('', 'a', 'aB', 'AB', 'bcD'),
  affinity: fc.boolean(),
  nodePort: fc.boolean(),
  local: fc.boolean(),
  // Two Services that claim one address.
  external: fc.boolean(),
  gone: fc.boolean(),
  removeStale: fc.boolean(),
});

function rulesOf({ name, endpoints, affinity, nodePort, local, external }: Change): ServiceRules {
  const index = names.indexOf(name);
  const object = service({
    clusterIP: `10.96.0.${index + 1}`,
    ...(affinity ? { sessionAffinity: 'ClientIP' } : {}),
    ...(local ? { externalTrafficPolicy: 'Local' } : {}),
    ...(external ? { externalIPs: ['198.51.100.1'] } : {}),
    ...(nodePort
      ? { type: 'NodePort', ports: [{ port: 80, nodePort: 30_000 + index }] }
      : { ports: [{ port: 80 }] }),
  });
  const [namespace = '', short = ''] = name.split('/');
  object.metadata = { namespace, name: short };
  return buildServiceRules(object, [slice(endpoints)], CONTEXT);
}

test('after any changes the kernel holds what a fresh start would write', (t) => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 25 }), (changes) => {
      const kernel = new Kernel();
      const ruleSet = new RuleSet('IPv4');
      const wanted = new Map<string, ServiceRules>();
      const first = ruleSet.full();
      kernel.apply(first.text);
      first.commit();
      for (const step of changes) {
        const rules = step.gone ? undefined : rulesOf(step);
        ruleSet.update(step.name, rules);
        if (rules) wanted.set(step.name, rules);
        else wanted.delete(step.name);
        const transaction = ruleSet.incremental(step.removeStale);
        kernel.apply(transaction.text);
        transaction.commit();
      }
      const fresh = new RuleSet('IPv4');
      for (const [name, rules] of wanted) fresh.update(name, rules);
      const other = new Kernel();
      other.apply(fresh.full().text);
      t.deepEqual(kernel.state(), other.state());
      // Emptied chains are deleted in the end.
      kernel.apply(ruleSet.incremental(true).text);
      t.deepEqual([...kernel.chains.keys()].toSorted(), [...other.chains.keys()].toSorted());
    }),
    { seed: 1, numRuns: 300 },
  );
});

test('a change of one Service writes about that Service alone, no change writes nothing', (t) => {
  const ruleSet = new RuleSet('IPv4');
  const of = (name: string, endpoints: string) => {
    const base = {
      affinity: false,
      nodePort: false,
      local: false,
      external: false,
      gone: false,
      removeStale: false,
    };
    return rulesOf({ ...base, name, endpoints });
  };
  for (const name of names) ruleSet.update(name, of(name, 'ab'));
  ruleSet.full().commit();
  ruleSet.update('default/a', of('default/a', 'ab'));
  t.is(ruleSet.incremental(false).text, '');
  ruleSet.update('default/a', of('default/a', 'abc'));
  const { text } = ruleSet.incremental(false);
  t.regex(
    text,
    /^flush chain ip slipway-proxy cluster-default\/a\/tcp\/80\nadd rule ip slipway-proxy cluster-default\/a\/tcp\/80 [^\n]*mod 3 [^\n]*\n$/,
  );
});

test('a chain that comes back before it was deleted is filled again, not added', (t) => {
  const ruleSet = new RuleSet('IPv4');
  const rules = rulesOf({
    name: 'default/a',
    endpoints: 'a',
    affinity: false,
    nodePort: false,
    local: false,
    external: false,
    gone: false,
    removeStale: false,
  });
  ruleSet.update('default/a', rules);
  ruleSet.full().commit();
  ruleSet.update('default/a', undefined);
  ruleSet.incremental(false).commit();
  t.true(ruleSet.hasStaleChains);
  ruleSet.update('default/a', rules);
  const transaction = ruleSet.incremental(true);
  t.false(/add chain|delete chain/.test(transaction.text));
  transaction.commit();
  t.false(ruleSet.hasStaleChains);
});

test('affinity is taken over from the table that stands', (t) => {
  const set = (name: string, elem: unknown[]) => ({ set: { name, elem } });
  const listed = {
    nftables: [
      set('affinity-a', [
        { elem: { val: '10.0.0.1', timeout: 60, expires: 42 } },
        { elem: { val: '10.0.0.2', expires: 0 } },
        '10.0.0.3',
      ]),
      set('affinity-gone', [{ elem: { val: '10.0.0.9', expires: 42 } }]),
    ],
  };
  t.is(
    affinityCommands('ip', listed, new Map([['affinity-a', 60]])),
    'add element ip slipway-proxy affinity-a { 10.0.0.1 timeout 60s expires 42s }\n',
  );
});

const FLOWS = `udp      17 29 src=10.244.0.9 dst=10.96.0.53 sport=4000 dport=53 src=10.244.0.1 dst=10.244.0.9 sport=8053 dport=4000 [ASSURED] mark=0 use=1
udp      17 29 src=10.244.0.9 dst=10.96.0.53 sport=4001 dport=53 [UNREPLIED] src=10.244.0.7 dst=10.244.0.9 sport=8053 dport=4001 mark=0 use=1
udp      17 29 src=192.0.2.1 dst=10.77.0.11 sport=4002 dport=30053 src=10.244.0.7 dst=10.77.0.11 sport=8053 dport=4002 mark=0 use=1
udp      17 29 src=192.0.2.1 dst=192.0.2.9 sport=4003 dport=30053 src=192.0.2.9 dst=192.0.2.1 sport=30053 dport=4003 mark=0 use=1
udp      17 29 src=10.244.0.9 dst=8.8.8.8 sport=4004 dport=53 src=8.8.8.8 dst=10.77.0.11 sport=53 dport=4004 mark=0 use=1
garbage
`;

test('UDP flows to endpoints that are gone are stale, all others are left alone', async (t) => {
  const object = service({
    type: 'NodePort',
    clusterIP: '10.96.0.53',
    ports: [{ port: 53, protocol: 'UDP', nodePort: 30_053 }],
  });
  const [port] = proxiedPorts(object, 'IPv4');
  if (!port) throw new Error('unreachable');
  const base = { ready: true, serving: true, terminating: false, local: true, zoneHints: [], nodeHints: [] };
  const frontends = [{ port, endpoints: [{ ...base, ip: '10.244.0.1', port: 8053 }] }];
  const stale = staleFlows(parseFlows(FLOWS), frontends, ['10.77.0.11']);
  t.deepEqual(
    stale.map(({ sourcePort }) => sourcePort),
    [4001, 4002],
  );
  // Without a better endpoint nothing is forgotten.
  t.deepEqual(staleFlows(parseFlows(FLOWS), [{ port, endpoints: [] }], ['10.77.0.11']), []);

  const ran: string[] = [];
  const run = (command: string, args: readonly string[]) => {
    ran.push([command, ...args].join(' '));
    // One of the flows has ended meanwhile.
    if (args.includes('4001'))
      return Promise.reject(new CommandError('conntrack', 1, '0 flow entries have been deleted'));
    return Promise.resolve(args[0] === '-L' ? FLOWS : '');
  };
  t.is(await cleanStaleFlows(run, 'IPv4', frontends, ['10.77.0.11']), 2);
  t.deepEqual(ran, [
    'conntrack -L -f ipv4 -p udp',
    'conntrack -D -f ipv4 -p udp --orig-src 10.244.0.9 --orig-dst 10.96.0.53 --orig-port-src 4001 --orig-port-dst 53',
    'conntrack -D -f ipv4 -p udp --orig-src 192.0.2.1 --orig-dst 10.77.0.11 --orig-port-src 4002 --orig-port-dst 30053',
  ]);
});
