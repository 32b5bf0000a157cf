import test from 'ava';
import type { Node } from '../../src/api/gen/types/core-v1.ts';
import { CommandError, type RunCommand } from '../../src/base/command.ts';
import { acceptForwarding, masqueradeTable } from '../../src/network/firewall.ts';
import { mtuOf } from '../../src/network/network.ts';
import { applyRoutes, desiredRoutes, parseRoutes, routeChanges } from '../../src/network/routes.ts';

const node = (name: string, podCIDRs: string[], ...addresses: string[]): Node => ({
  metadata: { name },
  spec: { podCIDRs },
  status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
});

const nodes = [
  node('a', ['10.244.0.0/24', 'fd00:244::/64'], '10.77.0.11', 'fd77::11'),
  node('b', ['10.244.1.0/24', 'fd00:244:0:1::/64'], '10.77.0.12', 'fd77::12'),
  node('no-range', [], '10.77.0.13'),
  node('no-address', ['10.244.3.0/24']),
  node('hostile', ['10.244.4.0/24; reboot'], '10.77.0.14'),
];

test('a node routes to every other range by its internal address, and keeps its own to itself', (t) => {
  t.deepEqual(desiredRoutes(nodes, 'a', 4), [
    { destination: '10.244.0.0/24', via: undefined },
    { destination: '10.244.1.0/24', via: '10.77.0.12' },
  ]);
  t.deepEqual(desiredRoutes(nodes, 'a', 6), [
    { destination: 'fd00:244:0:1::/64', via: 'fd77::12' },
    { destination: 'fd00:244::/64', via: undefined },
  ]);
});

test('routes are changed by their difference alone', (t) => {
  const stands = parseRoutes(
    JSON.stringify([
      { type: 'unreachable', dst: '10.244.0.0/24', flags: [] },
      { dst: '10.244.1.0/24', gateway: '10.77.0.99', dev: 'eth0' },
      { dst: '10.244.9.0/24', gateway: '10.77.0.19', dev: 'eth0' },
    ]),
  );
  const wanted = desiredRoutes(nodes, 'a', 4);
  t.deepEqual(routeChanges(stands, wanted), [
    'route del 10.244.9.0/24 proto 115',
    'route del 10.244.1.0/24 proto 115',
    'route replace 10.244.1.0/24 via 10.77.0.12 proto 115',
  ]);
  t.deepEqual(routeChanges(wanted, wanted), []);
  t.deepEqual(routeChanges([], wanted), [
    'route replace unreachable 10.244.0.0/24 proto 115',
    'route replace 10.244.1.0/24 via 10.77.0.12 proto 115',
  ]);
  t.deepEqual(parseRoutes(''), []);
});

test('a route that the kernel refuses is named, the others are set', async (t) => {
  const wanted = desiredRoutes(nodes, 'a', 4);
  let listed = 0;
  const run: RunCommand = (_command, args) => {
    if (args.includes('-batch'))
      return Promise.reject(new CommandError('ip', 1, 'Nexthop has invalid gateway'));
    // The first look finds nothing, the second the route that could be set.
    const stands = listed++ === 0 ? [] : [{ type: 'unreachable', dst: '10.244.0.0/24' }];
    return Promise.resolve(JSON.stringify(stands));
  };
  const { failed } = await applyRoutes(run, 4, wanted);
  t.deepEqual(failed, [{ destination: '10.244.1.0/24', via: '10.77.0.12' }]);
});

test('pods hide behind the node outside of the cluster, and nowhere inside', (t) => {
  const options = { podCidrs: ['10.244.0.0/24'], clusterCidrs: ['10.244.0.0/16'], nodes };
  t.is(
    masqueradeTable({ ...options, family: 4 }),
    `table ip slipway-network {
	set inside {
		type ipv4_addr
		flags interval
		auto-merge
		elements = { 10.244.0.0/16, 10.77.0.11, 10.77.0.12, 10.77.0.13, 10.77.0.14 }
	}
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		ip saddr { 10.244.0.0/24 } ip daddr != @inside masquerade fully-random
	}
}
`,
  );
  t.is(masqueradeTable({ ...options, family: 6 }), undefined);
});

test('an exception goes into a firewall that forwards nothing, once', async (t) => {
  const ran: string[] = [];
  const runWith =
    (policy: string | undefined, present: boolean): RunCommand =>
    (command, args) => {
      ran.push([command, ...args].join(' '));
      if (command === 'nft') {
        return policy === undefined
          ? Promise.reject(new CommandError('nft', 1, 'No such file'))
          : Promise.resolve(policy);
      }
      return args.includes('-C') && !present
        ? Promise.reject(new CommandError('iptables', 1, 'Bad rule'))
        : Promise.resolve('');
    };
  t.false(await acceptForwarding(runWith(undefined, false), 4, ['10.244.0.0/16']));
  t.false(await acceptForwarding(runWith('policy accept;', false), 4, ['10.244.0.0/16']));
  t.is(ran.filter((line) => line.startsWith('iptables')).length, 0);
  t.true(
    await acceptForwarding(runWith('type filter hook forward priority 0; policy drop;', false), 4, [
      '10.244.0.0/16',
    ]),
  );
  t.deepEqual(
    ran.filter((line) => line.includes('-I')),
    ['-s', '-d'].map(
      (flag) => `iptables -w -I FORWARD ${flag} 10.244.0.0/16 -m comment --comment slipway pods -j ACCEPT`,
    ),
  );
  ran.length = 0;
  t.false(await acceptForwarding(runWith('policy drop', true), 4, ['10.244.0.0/16']));
  t.is(ran.filter((line) => line.includes('-I')).length, 0);
});

test('pods take the MTU of the interface that carries the node', (t) => {
  const links = JSON.stringify([
    { ifname: 'lo', mtu: 65_536, addr_info: [{ local: '127.0.0.1' }] },
    { ifname: 'eth0', mtu: 1450, addr_info: [{ local: '10.77.0.11' }] },
  ]);
  t.is(mtuOf(links, '10.77.0.11'), 1450);
  t.is(mtuOf(links, '10.77.0.99'), undefined);
});
