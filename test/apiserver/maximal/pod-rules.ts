import { oneOf } from './generate.ts';
import type { Place, Rules, Values } from './generate.ts';

const isPod = ({ root }: Place): boolean => root === 'Pod';
const isJob = ({ root }: Place): boolean => root === 'Job' || root === 'CronJob';
/** Whether pods of this are made anew whenever one ends. */
const goesOn = (place: Place): boolean => !isPod(place) && !isJob(place) && place.root !== 'PodTemplate';
/** The first of PodSpec's alternatives names the system, which some fields need and others do not allow. */
const onLinux = ({ variant }: Place): boolean => variant % 3 === 0;
export const onHostNetwork = ({ variant }: Place): boolean => variant % 3 === 1;
const inUserNamespace = ({ variant }: Place): boolean => variant % 3 === 2;
const windowsOptions = (place: Place): unknown =>
  onLinux(place)
    ? undefined
    : {
        gmsaCredentialSpecName: 'gmsa',
        gmsaCredentialSpec: '{}',
        runAsUserName: 'ContainerUser',
        hostProcess: false,
      };

const noProbes: Values = {
  livenessProbe: undefined,
  readinessProbe: undefined,
  startupProbe: undefined,
  lifecycle: undefined,
};
const inInit = ({ path }: Place): boolean => path.includes('initContainers');
const uniqueName = (name: string) => (place: Place) => (inInit(place) ? `init-${name}` : name);

const RULES_OF_CONTAINERS: Values = {
  image: 'registry.example.com/a/b:1',
  imagePullPolicy: 'IfNotPresent',
  command: ['/bin/sh'],
  args: ['-c', 'true $(A)'],
  workingDir: '/work',
  resizePolicy: [
    { resourceName: 'cpu', restartPolicy: 'NotRequired' },
    { resourceName: 'memory', restartPolicy: 'NotRequired' },
  ],
  volumeDevices: (place: Place) =>
    inUserNamespace(place) ? undefined : [{ name: 'persistent-volume-claim', devicePath: '/dev/xvda' }],
  terminationMessagePath: '/dev/end',
  terminationMessagePolicy: 'FallbackToLogsOnError',
};

export const POD_RULES: Rules = {
  PodSpec: {
    fields: {
      ephemeralContainers: undefined,
      restartPolicy: (place: Place) => (goesOn(place) ? 'Always' : isJob(place) ? 'Never' : 'OnFailure'),
      activeDeadlineSeconds: (place: Place) => (goesOn(place) ? undefined : 600),
      dnsPolicy: 'None',
      serviceAccountName: 'maximal',
      serviceAccount: 'maximal',
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      priorityClassName: 'maximal',
      priority: 1000,
      preemptionPolicy: 'Never',
      runtimeClassName: 'maximal',
      overhead: { cpu: '10m', memory: '10Mi' },
      hostname: 'host',
      subdomain: 'sub',
      imagePullSecrets: [{ name: 'pull' }],
      readinessGates: [{ conditionType: 'example.com/gate' }],
      schedulingGates: [{ name: 'example.com/gate' }],
      resources: { requests: { cpu: '2', memory: '2Gi' }, limits: { cpu: '4', memory: '4Gi' } },
    },
    either: [
      {
        os: { name: 'linux' },
        hostNetwork: undefined,
        hostPID: undefined,
        hostIPC: undefined,
        hostnameOverride: undefined,
        nodeName: undefined,
        hostUsers: undefined,
      },
      {
        os: undefined,
        hostNetwork: true,
        hostPID: true,
        hostIPC: true,
        shareProcessNamespace: undefined,
        hostUsers: true,
        hostnameOverride: undefined,
        setHostnameAsFQDN: undefined,
        schedulingGates: undefined,
        nodeName: 'node-1',
      },
      {
        os: undefined,
        hostNetwork: undefined,
        hostPID: undefined,
        hostIPC: undefined,
        setHostnameAsFQDN: undefined,
        hostname: undefined,
        nodeName: undefined,
        hostUsers: false,
        hostnameOverride: 'over.example.com',
      },
    ],
  },
  PodOS: { fields: { name: 'linux' } },
  PodSchedulingGroup: { fields: { podGroupName: 'group' } },
  Container: {
    fields: RULES_OF_CONTAINERS,
    either: [
      {
        name: uniqueName('first'),
        // An init container that goes on is one with probes.
        restartPolicy: (place: Place) => (inInit(place) ? 'Always' : undefined),
        restartPolicyRules: undefined,
      },
      {
        name: uniqueName('second'),
        ...noProbes,
        ports: undefined,
        resizePolicy: (place: Place) => (inInit(place) ? undefined : RULES_OF_CONTAINERS['resizePolicy']),
        restartPolicy: 'Never',
      },
      {
        name: uniqueName('third'),
        ports: undefined,
        restartPolicy: (place: Place) => (inInit(place) ? 'Always' : undefined),
        restartPolicyRules: undefined,
      },
    ],
  },
  EphemeralContainer: {
    fields: {
      ...RULES_OF_CONTAINERS,
      ...noProbes,
      volumeDevices: undefined,
      name: 'ephemeral',
      ports: undefined,
      resources: undefined,
      resizePolicy: undefined,
      restartPolicy: undefined,
      restartPolicyRules: undefined,
      targetContainerName: 'first',
      volumeMounts: [
        {
          name: 'host-path',
          mountPath: '/b',
          readOnly: true,
          recursiveReadOnly: 'IfPossible',
          mountPropagation: 'None',
        },
      ],
    },
  },
  ContainerPort: {
    fields: {
      name: (place: Place) => (inInit(place) ? 'init-web' : 'web'),
      // On the node's network both are one.
      containerPort: (place: Place) => (inInit(place) ? 8081 : 8080),
      hostPort: (place: Place) => (inInit(place) ? 8081 : 8080),
      protocol: 'TCP',
      hostIP: '192.0.2.5',
    },
  },
  ContainerRestartRule: { fields: { action: 'Restart' } },
  ContainerRestartRuleOnExitCodes: { fields: { operator: 'In', values: [1, 2] } },
  EnvFromSource: { fields: { prefix: 'P_' }, either: oneOf(['configMapRef', 'secretRef']) },
  EnvVar: {
    fields: {
      value: undefined,
      name: ({ path, seed }: Place) => `V_${path.length}_${seed}`,
    },
    either: [
      { name: 'A', value: 'a', valueFrom: undefined },
      { name: 'B', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } },
      {
        name: 'C',
        valueFrom: { resourceFieldRef: { containerName: 'first', resource: 'limits.cpu', divisor: '1m' } },
      },
      { name: 'D', valueFrom: { configMapKeyRef: { name: 'c', key: 'k', optional: true } } },
      { name: 'E', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } },
      {
        name: 'F',
        valueFrom: { fileKeyRef: { volumeName: 'empty-dir', path: 'env', key: 'K', optional: true } },
      },
    ],
  },
  ResourceRequirements: {
    fields: {
      requests: { cpu: '100m', memory: '64Mi', 'ephemeral-storage': '1Gi', 'example.com/gpu': '1' },
      limits: { cpu: '200m', memory: '128Mi', 'ephemeral-storage': '2Gi', 'example.com/gpu': '1' },
      claims: ({ path }: Place) =>
        path.endsWith('resources.claims') && path.includes('ontainers')
          ? [{ name: 'claim-a', request: 'one' }]
          : undefined,
    },
  },
  VolumeMount: {
    either: [
      {
        name: 'empty-dir',
        mountPath: '/a',
        subPath: 'sub',
        subPathExpr: undefined,
        readOnly: undefined,
        recursiveReadOnly: undefined,
        mountPropagation: 'HostToContainer',
      },
      {
        name: 'host-path',
        mountPath: '/b',
        subPath: undefined,
        subPathExpr: '$(A)',
        readOnly: true,
        recursiveReadOnly: 'IfPossible',
        mountPropagation: 'None',
      },
    ],
  },
  Probe: {
    fields: {
      successThreshold: ({ path }: Place) => (path.includes('readinessProbe') ? 2 : 1),
      terminationGracePeriodSeconds: ({ path }: Place) => (path.includes('readinessProbe') ? undefined : 9),
    },
    either: oneOf(['exec', 'httpGet', 'tcpSocket', 'grpc']),
  },
  ExecAction: { fields: { command: ['true'] } },
  HTTPGetAction: { fields: { path: '/x?y=z', port: 'web', host: '192.0.2.6', scheme: 'HTTPS' } },
  HTTPHeader: { fields: { name: 'X-Of' } },
  TCPSocketAction: { fields: { port: 8080, host: '192.0.2.6' } },
  GRPCAction: { fields: { port: 8080, service: 'health' } },
  Lifecycle: {
    fields: { stopSignal: (place: Place) => (onLinux(place) ? 'SIGUSR1' : undefined) },
  },
  LifecycleHandler: { either: oneOf(['exec', 'httpGet', 'tcpSocket', 'sleep']) },
  SecurityContext: {
    fields: {
      procMount: 'Default',
      allowPrivilegeEscalation: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      windowsOptions,
    },
  },
  Capabilities: { fields: { add: ['NET_ADMIN'], drop: ['ALL'] } },
  SeccompProfile: {
    either: [
      { type: 'Localhost', localhostProfile: 'profiles/a.json' },
      { type: 'RuntimeDefault', localhostProfile: undefined },
    ],
  },
  AppArmorProfile: {
    either: [
      { type: 'Localhost', localhostProfile: 'profile-a' },
      { type: 'RuntimeDefault', localhostProfile: undefined },
    ],
  },
  PodSecurityContext: {
    fields: {
      supplementalGroupsPolicy: 'Strict',
      fsGroupChangePolicy: 'OnRootMismatch',
      seLinuxChangePolicy: 'Recursive',
      windowsOptions,
      supplementalGroups: [1001],
      sysctls: (place: Place) =>
        onHostNetwork(place) ? undefined : [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
    },
  },
  HostAlias: { fields: { ip: '192.0.2.7', hostnames: ['alias.example.com'] } },
  PodDNSConfig: {
    fields: {
      nameservers: ['192.0.2.8'],
      searches: ['example.com'],
      options: [{ name: 'ndots', value: '2' }],
    },
  },
  Toleration: {
    either: [
      { key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 60 },
      { key: 'c', operator: 'Exists', value: undefined, effect: 'NoSchedule', tolerationSeconds: undefined },
    ],
  },
  NodeSelectorTerm: {
    fields: { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] },
  },
  NodeSelectorRequirement: { fields: { key: 'disk', operator: 'In', values: ['ssd'] } },
  PodAffinityTerm: {
    fields: {
      topologyKey: 'kubernetes.io/hostname',
      namespaces: ['other'],
      matchLabelKeys: ['rev'],
      mismatchLabelKeys: ['tenant'],
    },
  },
  TopologySpreadConstraint: {
    fields: {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      nodeAffinityPolicy: 'Ignore',
      nodeTaintsPolicy: 'Honor',
      matchLabelKeys: ['rev'],
    },
  },
  PodResourceClaim: {
    either: [
      { name: 'claim-a', resourceClaimName: 'claim', resourceClaimTemplateName: undefined },
      { name: 'claim-b', resourceClaimName: undefined, resourceClaimTemplateName: 'template' },
    ],
  },
  PodTemplateSpec: {
    fields: { metadata: { labels: { app: 'maximal', rev: '1' }, annotations: { a: 'b' } } },
  },
};
