import type { Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';

export interface PodView {
  metadata: { name: string; uid: string; deletionTimestamp?: string; labels?: Record<string, string> };
  spec: { nodeName?: string };
  status: {
    phase: string;
    podIP?: string;
    conditions?: Array<{ type: string; status: string }>;
    containerStatuses?: Array<{ containerID?: string; restartCount: number }>;
  };
}

export function isReady(pod: PodView): boolean {
  return (
    !pod.metadata.deletionTimestamp &&
    (pod.status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')
  );
}

export async function podsOf(kubectl: Kubectl, selector: string): Promise<PodView[]> {
  const list = await kubectl.json<{ items: PodView[] }>('get', 'pods', '-l', selector);
  return list.items;
}

/** Waits until exactly `count` pods match and all of them are Ready, and returns them. */
export function readyPods(kubectl: Kubectl, selector: string, count: number): Promise<PodView[]> {
  return waitFor(
    `${count} ready pods with ${selector}`,
    async () => {
      const pods = await podsOf(kubectl, selector);
      return pods.length === count && pods.every(isReady) ? pods : undefined;
    },
    { timeoutMs: 120_000, intervalMs: 250 },
  );
}

/** A web server that answers with its own pod's name, in three replicas behind a Service of the same name. */
export function webManifest(image: string): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: ${image}
          imagePullPolicy: Never
          command: [sh, -c, 'mkdir -p /www && hostname > /www/index.html && echo serving && exec httpd -f -p 8080 -h /www']
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /, port: http }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: http }]
`;
}

/** One pod on each node that only waits, to run commands in. */
export function clientManifest(image: string, nodeName: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: client-${nodeName}, labels: { app: client } }
spec:
  nodeName: ${nodeName}
  terminationGracePeriodSeconds: 1
  containers:
    - name: client
      image: ${image}
      imagePullPolicy: Never
      command: [sh, -c, 'trap "exit 0" TERM; while true; do sleep 1; done']
`;
}
