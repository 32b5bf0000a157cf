import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readyPods } from '../e2e/workload.ts';
import type { Kubectl } from '../helpers/kubectl.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { systemEnvironment, tryRun } from './command.ts';
import type { HaCluster } from './ha-cluster.ts';
import { serverNetns } from './state.ts';

const IMAGE = 'slipway.local/busybox:1';
const CHILD = fileURLToPath(new URL('steady-load-child.ts', import.meta.url));

export interface FailedRequest {
  what: 'write' | 'read' | 'service';
  /** When it was sent: RFC 3339. */
  time: string;
  tookMs: number;
  reason: string;
}

export interface LoadCount {
  answered: number;
  failed: FailedRequest[];
  slowestMs: number;
}

export interface SteadyLoad {
  /** Resolves when several further requests of each kind have been answered. */
  goesOn(): Promise<void>;
  /** What there is so far. */
  counts(): { api: LoadCount; service: LoadCount };
  /** Ends it when what was asked has been answered. Safe to call twice. */
  stop(): Promise<{ api: LoadCount; service: LoadCount }>;
}

export interface SteadyLoadOptions {
  cluster: HaCluster;
  /** For what is asked: it makes the Deployment, its budget and its Service. */
  kubectl: Kubectl;
  /** The server that asks the Service. */
  from: string;
  /** Pods of the Service, each on a server of its own. Default 2. */
  replicas?: number;
}

/**
 * Writes and reads an object every 100 ms, and asks a Service every 100 ms, until it is stopped. The API is asked in the
 * lab's network by our own client with the operator's admin.kubeconfig, which names the virtual address and every control
 * plane: it fails over by itself. The file is read again when it changes, as each kubectl reads it. The Service is asked at
 * its cluster address on the server `from`. Resolves when everything is answered.
 */
export async function startSteadyLoad(options: SteadyLoadOptions): Promise<SteadyLoad> {
  const { cluster, kubectl, from, replicas = 2 } = options;
  const image = await busyboxImage(IMAGE);
  await Promise.all(
    cluster.lab.servers.map((server) => server.exec('ctr -n k8s.io images import -', { input: image })),
  );
  await kubectl.withInput(webManifest(replicas), 'apply', '-f', '-');
  await readyPods(kubectl, 'app=steady-load', replicas);
  const address = await kubectl('get', 'service', 'steady-load', '-o', 'jsonpath={.spec.clusterIP}');
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
  const kubeconfig = join(cluster.state, 'admin.kubeconfig');
  const api = new Asker(cluster.lab.fabricSpawn([process.execPath, CHILD, 'api', kubeconfig], { stdio }));
  const namespace = `--net=/run/netns/${serverNetns(cluster.lab.id, from)}`;
  const url = `http://${address}/`;
  const ask = `fetch('${url}', { signal: AbortSignal.timeout(2000) }).then(({ ok }) => process.exit(ok ? 0 : 1))`;
  await waitFor(`the Service answers on ${from}`, async () => {
    const { code } = await tryRun('nsenter', [namespace, '--', process.execPath, '-e', ask]);
    return code === 0;
  });
  const service = new Asker(
    spawn('nsenter', [namespace, '--', process.execPath, CHILD, 'service', url], {
      env: systemEnvironment(),
      stdio,
    }),
  );
  const counts = (): { api: LoadCount; service: LoadCount } => ({ api: api.count, service: service.count });
  const load: SteadyLoad = {
    counts,
    goesOn: async () => {
      await Promise.all([api.goesOn(['write', 'read']), service.goesOn(['service'])]);
    },
    stop: async () => {
      await Promise.all([api.stop(), service.stop()]);
      return counts();
    },
  };
  await load.goesOn();
  return load;
}

/** 'no failure' or the first failures, for the message of an assertion. */
export function describeFailures({ failed }: LoadCount): string {
  if (failed.length === 0) return 'no failure';
  const lines = failed.map(
    ({ what, time, tookMs, reason }) => `${time} ${what} after ${tookMs} ms: ${reason}`,
  );
  return `${failed.length} failed:\n${lines.slice(0, 20).join('\n')}`;
}

/** One child process and what it has told. */
class Asker {
  readonly #child: ChildProcess;
  readonly #answered: Record<string, number> = {};
  readonly #closed: Promise<unknown>;
  readonly count: LoadCount = { answered: 0, failed: [], slowestMs: 0 };

  constructor(child: ChildProcess) {
    this.#child = child;
    if (!child.stdout) throw new Error('no output');
    const lines = createInterface({ input: child.stdout });
    this.#closed = once(lines, 'close');
    lines.on('line', (line) => {
      const { what, atMs, tookMs, reason } = JSON.parse(line) as Omit<FailedRequest, 'time'> & {
        atMs: number;
      };
      this.count.slowestMs = Math.max(this.count.slowestMs, tookMs);
      if (reason === undefined) {
        this.count.answered += 1;
        this.#answered[what] = (this.#answered[what] ?? 0) + 1;
      } else this.count.failed.push({ what, time: new Date(atMs).toISOString(), tookMs, reason });
    });
  }

  async goesOn(kinds: readonly string[]): Promise<void> {
    const before = { ...this.#answered };
    const done = (): boolean => kinds.every((kind) => (this.#answered[kind] ?? 0) > (before[kind] ?? 0) + 5);
    await waitFor(`${kinds.join(' and ')} are answered`, done, { timeoutMs: 60_000 });
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}

/**
 * A web server that goes on while it is told to end, so that whoever still comes to it is answered, and a budget that lets
 * one of its pods go at a time.
 */
const webManifest = (replicas: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: steady-load }
spec:
  replicas: ${replicas}
  strategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } }
  selector: { matchLabels: { app: steady-load } }
  template:
    metadata: { labels: { app: steady-load } }
    spec:
      terminationGracePeriodSeconds: 5
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - { labelSelector: { matchLabels: { app: steady-load } }, topologyKey: kubernetes.io/hostname }
      containers:
        - name: web
          image: '${IMAGE}'
          imagePullPolicy: Never
          command: [sh, -c, 'trap "" TERM; hostname >/www/index.html; httpd -f -p 8080 -h /www']
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1, failureThreshold: 3 }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: steady-load }
spec:
  maxUnavailable: 1
  selector: { matchLabels: { app: steady-load } }
---
apiVersion: v1
kind: Service
metadata: { name: steady-load }
spec:
  selector: { app: steady-load }
  ports: [{ port: 80, targetPort: 8080 }]
`;
