import type { ExecutionContext } from 'ava';
import { isRuntimeError } from '../../src/kubelet/cri/runtime-error.ts';
import type { ContainerConfig, CriRuntime, PodSandboxConfig } from '../../src/kubelet/cri/runtime.ts';
import { waitFor } from '../helpers/wait-for.ts';

export interface RuntimeFixture {
  runtime: CriRuntime;
  /** An image that is on the node and has `sleep`. */
  image: string;
  /** A folder that the runtime writes logs to. */
  logDir: string;
}

let serial = 0;

/** What every CriRuntime does: the fake and containerd run the same rows. */
export function runtimeContract(
  /** `test` or `test.serial`. */
  test: (title: string, run: (t: ExecutionContext) => Promise<void>) => void,
  name: string,
  open: () => Promise<RuntimeFixture>,
  close: (fixture: RuntimeFixture) => Promise<void>,
): void {
  for (const [title, run] of Object.entries(rows)) {
    test(`${name}: ${title}`, async (t) => {
      const fixture = await open();
      serial += 1;
      try {
        await run(t, fixture, `uid-${process.pid}-${serial}`);
      } finally {
        await close(fixture);
      }
    });
  }
}

type Row = (t: ExecutionContext, fixture: RuntimeFixture, uid: string) => Promise<void>;

const labels = (uid: string, container?: string): Record<string, string> => ({
  'io.kubernetes.pod.uid': uid,
  'io.kubernetes.pod.name': 'web',
  'io.kubernetes.pod.namespace': 'default',
  ...(container ? { 'io.kubernetes.container.name': container } : {}),
});

const namespaceOptions = { network: 'NODE', pid: 'CONTAINER', ipc: 'POD' } as const;

function sandboxConfig({ logDir }: RuntimeFixture, uid: string): PodSandboxConfig {
  return {
    metadata: { name: 'web', namespace: 'default', uid, attempt: 3 },
    hostname: '',
    logDirectory: `${logDir}/${uid}`,
    portMappings: [],
    labels: labels(uid),
    annotations: { note: 'kept' },
    linux: { cgroupParent: '', securityContext: { namespaceOptions, privileged: false }, sysctls: {} },
  };
}

function containerConfig({ image }: RuntimeFixture, uid: string, command: string[]): ContainerConfig {
  return {
    metadata: { name: 'app', attempt: 2 },
    image: { image, userSpecifiedImage: image },
    command,
    args: [],
    workingDir: '',
    envs: [{ key: 'GREETING', value: 'hello' }],
    mounts: [],
    devices: [],
    labels: labels(uid, 'app'),
    annotations: { 'io.kubernetes.container.restartCount': '2' },
    logPath: 'app/2.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: {
      resources: { cpuShares: 2 },
      securityContext: {
        namespaceOptions,
        privileged: false,
        noNewPrivs: false,
        maskedPaths: [],
        readonlyPaths: [],
      },
    },
  };
}

async function started(fixture: RuntimeFixture, uid: string) {
  const { runtime } = fixture;
  const sandbox = sandboxConfig(fixture, uid);
  const sandboxId = await runtime.runPodSandbox(sandbox, '');
  const config = containerConfig(fixture, uid, ['sleep', '3600']);
  const id = await runtime.createContainer(sandboxId, config, sandbox);
  await runtime.startContainer(id);
  return { sandboxId, id };
}

const rows: Record<string, Row> = {
  'a sandbox is found by its pod, with labels, annotations and attempt': async (t, fixture, uid) => {
    const { runtime } = fixture;
    const id = await runtime.runPodSandbox(sandboxConfig(fixture, uid), '');
    const listed = await runtime.listPodSandbox({ podUid: uid });
    t.is(listed.length, 1);
    t.like(listed[0], { id, ready: true, metadata: { name: 'web', namespace: 'default', uid, attempt: 3 } });
    t.is(listed[0]?.labels['io.kubernetes.pod.uid'], uid);
    t.deepEqual(listed[0]?.annotations, { note: 'kept' });
    t.is((await runtime.podSandboxStatus(id)).networkMode, 'NODE');
    await runtime.stopPodSandbox(id);
    t.false((await runtime.podSandboxStatus(id)).ready);
    await runtime.removePodSandbox(id);
    t.deepEqual(await runtime.listPodSandbox({ podUid: uid }), []);
  },

  'a container goes from created over running to exited, and says when and how': async (t, fixture, uid) => {
    const { runtime } = fixture;
    const sandbox = sandboxConfig(fixture, uid);
    const sandboxId = await runtime.runPodSandbox(sandbox, '');
    const id = await runtime.createContainer(
      sandboxId,
      containerConfig(fixture, uid, ['sleep', '3600']),
      sandbox,
    );
    t.is((await runtime.containerStatus(id)).state, 'Created');
    await runtime.startContainer(id);
    const running = await runtime.containerStatus(id);
    t.like(running, { name: 'app', state: 'Running', logPath: `${fixture.logDir}/${uid}/app/2.log` });
    t.is(running.annotations['io.kubernetes.container.restartCount'], '2');
    t.true(running.startedAtMs >= running.createdAtMs);
    await runtime.stopContainer(id, 1);
    const ended = await runtime.containerStatus(id);
    t.is(ended.state, 'Exited');
    t.true(ended.finishedAtMs >= ended.startedAtMs);
    const listed = await runtime.listContainers({ podUid: uid });
    t.like(listed[0], { id, podSandboxId: sandboxId, name: 'app', attempt: 2, state: 'Exited' });
    await runtime.removeContainer(id);
    t.deepEqual(await runtime.listContainers({ podUid: uid }), []);
    await runtime.removePodSandbox(sandboxId);
  },

  'stopping a sandbox ends its containers': async (t, fixture, uid) => {
    const { runtime } = fixture;
    const { id, sandboxId } = await started(fixture, uid);
    await runtime.stopPodSandbox(sandboxId);
    await waitFor(
      'the container has ended',
      async () => (await runtime.containerStatus(id)).state === 'Exited',
    );
    await runtime.removePodSandbox(sandboxId);
    t.deepEqual(await runtime.listContainers({ podUid: uid }), []);
  },

  'what is gone is NotFound to ask, and no error to stop or remove': async (t, fixture) => {
    const { runtime } = fixture;
    const missing = '0'.repeat(64);
    for (const ask of [() => runtime.containerStatus(missing), () => runtime.podSandboxStatus(missing)]) {
      const error: unknown = await t.throwsAsync(ask);
      t.true(isRuntimeError(error, 'NotFound'));
    }
    await t.notThrowsAsync(runtime.removeContainer(missing));
    await t.notThrowsAsync(runtime.stopPodSandbox(missing));
    await t.notThrowsAsync(runtime.removePodSandbox(missing));
  },

  'a command gives its exit code': async (t, fixture, uid) => {
    const { runtime } = fixture;
    const { id, sandboxId } = await started(fixture, uid);
    t.is((await runtime.execSync(id, ['true'], 5)).exitCode, 0);
    await runtime.stopPodSandbox(sandboxId);
    await t.throwsAsync(runtime.execSync(id, ['true'], 5));
    await runtime.removePodSandbox(sandboxId);
  },

  'an image on the node is known by its name, one that is not is undefined': async (t, fixture) => {
    const image = await fixture.runtime.imageStatus(fixture.image);
    t.truthy(image?.id);
    t.true(image?.repoTags.includes(fixture.image));
    t.is(await fixture.runtime.imageStatus('slipway.local/none:1'), undefined);
    t.true((await fixture.runtime.listImages()).some(({ id }) => id === image?.id));
  },

  'the runtime says whether it and its network are ready': async (t, { runtime }) => {
    const types = (await runtime.status()).map(({ type }) => type).sort();
    t.deepEqual(types, ['NetworkReady', 'RuntimeReady']);
    t.is((await runtime.version()).runtimeName, 'containerd');
  },
};
