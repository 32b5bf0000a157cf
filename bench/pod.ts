/** A pod as an ordinary Deployment makes them, some 2 KB before the server has filled in its defaults. */
export function ordinaryPod(name: string): unknown {
  const env = Array.from({ length: 12 }, (_, i) => ({
    name: `SETTING_${i}`,
    value: `some value of setting ${i}`,
  }));
  const probe = (path: string) => ({
    httpGet: { path, port: 8080 },
    initialDelaySeconds: 5,
    periodSeconds: 10,
    timeoutSeconds: 2,
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: {
        'app.kubernetes.io/name': 'web',
        'app.kubernetes.io/part-of': 'shop',
        'pod-template-hash': '7d4b9c8f6d',
      },
      annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9090' },
    },
    spec: {
      // Of a scheduler that is not there, so that nobody but the benchmark works on it.
      schedulerName: 'none',
      containers: [
        {
          name: 'web',
          image: 'registry.example.com/shop/web:1.2.3',
          ports: [{ name: 'http', containerPort: 8080 }],
          env,
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          volumeMounts: [
            { name: 'config', mountPath: '/etc/web' },
            { name: 'scratch', mountPath: '/tmp' },
          ],
          livenessProbe: probe('/healthz'),
          readinessProbe: probe('/ready'),
        },
      ],
      volumes: [
        { name: 'config', configMap: { name: 'web' } },
        { name: 'scratch', emptyDir: {} },
      ],
    },
  };
}
