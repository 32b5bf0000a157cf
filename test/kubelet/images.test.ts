import test from 'ava';
import { silentLogger } from '../../src/base/log.ts';
import { FakeRuntime } from '../../src/kubelet/cri/fake-runtime.ts';
import { noEvents } from '../../src/kubelet/events.ts';
import { credentialsFor } from '../../src/kubelet/images/credentials.ts';
import { bytesToFree, ImageGc } from '../../src/kubelet/images/image-gc.ts';
import { parseImageName, withDefaultTag } from '../../src/kubelet/images/image-name.ts';
import { oomScoreAdj, podResources, quotaOf, sharesOf } from '../../src/kubelet/containers/resources.ts';
import { weightOf } from '../../src/kubelet/containers/cgroups.ts';
import { CrashBackoff } from '../../src/kubelet/pods/crash-backoff.ts';
import { createClock } from '../helpers/fake-clock.ts';
import { containerOf, podOf } from './pods.ts';

const name = test.macro((t, image: string, repository: string | undefined, asked?: string) => {
  const parsed = parseImageName(image);
  t.is(parsed?.repository, repository);
  if (parsed) t.is(withDefaultTag(image, parsed), asked ?? image);
});

const digest = `sha256:${'a'.repeat(64)}`;
test('a bare name', name, 'busybox', 'docker.io/library/busybox', 'busybox:latest');
test('a user’s name with a tag', name, 'me/app:1', 'docker.io/me/app');
test('a registry with a port', name, 'localhost:5000/app', 'localhost:5000/app', 'localhost:5000/app:latest');
test('a digest', name, `example.org/a/b@${digest}`, 'example.org/a/b');
test('tag and digest', name, `example.org/a:1@${digest}`, 'example.org/a');
test('upper case is no name', name, 'Not A Name', undefined);
test('two digests are none', name, `a@${digest}@${digest}`, undefined);
test('an empty tag is none', name, 'a:', undefined);

test('credentials fit the registry and the path, the most specific first', (t) => {
  const auths = {
    'example.org': { username: 'wide', password: 'p' },
    'example.org/team': { auth: Buffer.from('narrow:q:r').toString('base64') },
    '*.example.net': { username: 'star', password: '' },
    'https://index.docker.io/v1/': { username: 'hub', password: 'h' },
  };
  const secret = {
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
  };
  const users = (image: string) => {
    const parsed = parseImageName(image);
    return parsed ? credentialsFor(parsed, [secret]).map(({ username }) => username) : [];
  };
  t.deepEqual(users('example.org/team/app:1'), ['narrow', 'wide']);
  t.deepEqual(users('example.org/teams/app:1'), ['wide']);
  t.deepEqual(users('a.example.net/x'), ['star']);
  t.deepEqual(users('a.b.example.net/x'), []);
  t.deepEqual(users('busybox'), ['hub']);
  const broken = { type: secret.type, data: { '.dockerconfigjson': 'bm8=' } };
  t.deepEqual(credentialsFor({ repository: 'a', registry: 'a', tag: '', digest: '' }, [broken]), []);
});

test('unused images go when the disk is full, the longest unused first, never the sandbox image', async (t) => {
  const clock = createClock();
  const runtime = new FakeRuntime(clock);
  for (const image of ['pause:1', 'old:1', 'new:1', 'used:1']) runtime.addImage(image, { sizeBytes: 100 });
  let used: string[] = ['sha256:used:1', 'sha256:new:1'];
  runtime.listContainers = async () => used.map((imageRef) => ({ imageRef })) as never;
  let availableBytes = 900;
  const gc = new ImageGc({
    runtime,
    clock,
    log: silentLogger,
    events: noEvents,
    disk: async () => ({ capacityBytes: 1000, availableBytes, inodes: 0, inodesFree: 0 }),
    keep: (image) => image === 'pause:1',
  });
  await gc.run();
  await clock.advance(300_000);
  await gc.run();
  t.is(runtime.images.size, 4, 'there is room');
  used = ['sha256:used:1'];
  availableBytes = 120;
  await gc.run();
  t.deepEqual([...runtime.images.keys()], ['pause:1', 'new:1', 'used:1']);
  t.is(bytesToFree({ capacityBytes: 1000, availableBytes: 151, inodes: 0, inodesFree: 0 }), 0);
  t.is(bytesToFree({ capacityBytes: 1000, availableBytes: 150, inodes: 0, inodesFree: 0 }), 50);
});

test('back-off doubles to five minutes and is forgotten after ten quiet ones', async (t) => {
  const clock = createClock();
  const backoff = new CrashBackoff(clock);
  t.is(backoff.remainingMs('k', clock.now()), 0);
  for (const want of [10, 20, 40, 80, 160, 300, 300]) {
    backoff.next('k', clock.now());
    t.is(backoff.delayMs('k'), want * 1000);
  }
  t.is(backoff.remainingMs('k', clock.now()), 300_000);
  t.is(backoff.remainingMs('k', clock.now() - 100_000), 200_000);
  await clock.advance(601_000);
  t.is(backoff.remainingMs('k', clock.now()), 0);
  backoff.next('k', clock.now());
  t.is(backoff.delayMs('k'), 10_000);
});

test('CPU and memory become shares, quota, limits and a rank for the out-of-memory killer', (t) => {
  t.deepEqual([sharesOf(0), sharesOf(100), sharesOf(2000)], [2, 102, 2048]);
  t.deepEqual([quotaOf(0), quotaOf(5), quotaOf(1500)], [0, 1000, 150_000]);
  t.deepEqual([weightOf(2), weightOf(1024), weightOf(262_144)], [1, 39, 10_000]);
  const gib = 2 ** 30;
  const burstable = containerOf('a', { resources: { requests: { memory: '1Gi' } } });
  t.is(oomScoreAdj(podOf({ containers: [burstable] }), burstable, 4 * gib), 750);
  t.is(oomScoreAdj(podOf(), containerOf('app'), 4 * gib), 1000);
  const limits = { cpu: '1', memory: '1Gi' };
  const guaranteed = containerOf('g', { resources: { limits, requests: limits } });
  t.is(oomScoreAdj(podOf({ containers: [guaranteed] }), guaranteed, 4 * gib), -997);
  t.deepEqual(
    podResources(
      podOf({
        initContainers: [containerOf('i', { resources: { limits: { cpu: '3', memory: '1Mi' } } })],
        containers: [guaranteed, containerOf('h', { resources: { limits: { cpu: '500m', memory: '1Gi' } } })],
        overhead: { cpu: '100m' },
      }),
    ),
    { cpuMilliRequest: 3100, cpuMilliLimit: 3100, memoryRequestBytes: 2 * gib, memoryLimitBytes: 2 * gib },
  );
});
