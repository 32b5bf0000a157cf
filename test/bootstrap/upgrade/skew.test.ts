import test from 'ava';
import { checkSkew, type RunningVersions } from '../../../src/bootstrap/upgrade/skew.ts';

const TARGET = { id: '0.2.0-bbbbbbbbbbbb', version: '0.2.0', kubernetes: '1.36' };
const running = (
  change: Partial<Record<keyof RunningVersions, Record<string, string>>>,
): RunningVersions => ({
  releases: new Map(
    Object.entries(change.releases ?? { cp1: '0.1.0-aaaaaaaaaaaa', w1: '0.1.0-aaaaaaaaaaaa' }),
  ),
  apiServers: new Map(Object.entries(change.apiServers ?? { cp1: 'v1.36.0+slipway.0.1.0' })),
  kubelets: new Map(
    Object.entries(change.kubelets ?? { cp1: 'v1.36.0+slipway.0.1.0', w1: 'v1.36.0+slipway.0.1.0' }),
  ),
});
const messages = (...args: Parameters<typeof checkSkew>): string[] =>
  checkSkew(...args).map(({ message }) => message);

test('the next release may follow, and so may the rest of one that has begun', (t) => {
  t.deepEqual(checkSkew(TARGET, running({}), 'forward'), []);
  t.deepEqual(
    checkSkew(TARGET, running({ releases: { cp1: TARGET.id, w1: '0.1.0-aaaaaaaaaaaa' } }), 'forward'),
    [],
  );
  t.deepEqual(checkSkew(TARGET, running({ releases: { cp1: '0.2.0-cccccccccccc' } }), 'forward'), []);
});

test('an older release is no upgrade, and is the way back', (t) => {
  const newer = running({ releases: { cp1: '0.10.0-cccccccccccc', w1: '0.10.0-cccccccccccc' } });
  t.deepEqual(messages(TARGET, newer, 'forward'), ['cp1, w1 run slipway 0.10.0, which is newer than 0.2.0']);
  t.deepEqual(checkSkew(TARGET, newer, 'back'), []);
});

test('a second upgrade waits until the first one is finished', (t) => {
  const mixed = running({ releases: { cp1: '0.1.5-cccccccccccc', w1: '0.1.0-aaaaaaaaaaaa' } });
  t.regex(messages(TARGET, mixed, 'forward').join(), /run 2 other releases .*an upgrade was not finished/);
});

test('Kubernetes goes up one minor release at a time, never down, with kubelets at most three behind', (t) => {
  const api = (version: string): RunningVersions => running({ apiServers: { cp1: version } });
  t.deepEqual(messages(TARGET, api('v1.35.4'), 'forward'), []);
  t.regex(messages(TARGET, api('v1.34.0'), 'forward').join(), /is v1\.34\.0, .* 1\.35 comes next, not 1\.36/);
  t.regex(messages(TARGET, api('v1.37.0'), 'forward').join(), /newer than Kubernetes 1\.36/);
  t.deepEqual(messages(TARGET, running({ kubelets: { w1: 'v1.33.0' } }), 'forward'), []);
  t.regex(
    messages(TARGET, running({ kubelets: { w1: 'v1.32.9' } }), 'forward').join(),
    /more than 3 minor releases older/,
  );
});
