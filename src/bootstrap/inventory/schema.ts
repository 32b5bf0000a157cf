import { z } from 'zod';
import { parseAddress, parseRange } from './ranges.ts';

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const NAME_RULE =
  'must be lower-case letters, digits and "-", at most 63, starting and ending with a letter or digit';
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const name = z.string().regex(LABEL, NAME_RULE);
const address = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, 'must be an IPv4 address such as 10.0.0.1');
const range = z
  .string()
  .refine(
    (text) => parseRange(text) !== undefined,
    'must be an IPv4 range such as 10.244.0.0/16, its host bits zero',
  );
const port = z.int().min(1).max(65_535);
const secret = z
  .string()
  .regex(
    /^(env|file):.+/,
    'must say where the secret is: "env:NAME" or "file:PATH" (never the secret itself)',
  );
const hostKey = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be a fingerprint such as ssh-keygen -l prints: "SHA256:…"');

const login = {
  user: z.string().min(1).optional().describe('The user to log in as. Default root.'),
  port: port.optional().describe('The SSH port. Default 22.'),
  key: z
    .string()
    .min(1)
    .optional()
    .describe('Private key file. Without it the agent and ~/.ssh/id_* are tried.'),
  passwordFrom: secret.optional().describe('Where the login password is: env:NAME or file:PATH.'),
  passphraseFrom: secret.optional().describe("Where the key's passphrase is: env:NAME or file:PATH."),
  sudoPasswordFrom: secret
    .optional()
    .describe('Where the password for sudo is. Default: the login password.'),
  hostKey: hostKey.optional().describe("The fingerprint that the server's host key must have."),
};

const bastion = z
  .strictObject({ address: z.string().min(1).describe('Name or address.'), ...login })
  .describe('A server to go through.');

const ssh = z.strictObject({
  ...login,
  address: z
    .string()
    .min(1)
    .optional()
    .describe("Name or address for SSH alone. Default: the server's address."),
  bastion: bastion.optional(),
});

const role = z.enum(['control-plane', 'worker']);

const server = z.strictObject({
  name: name.describe("The node's name."),
  address: address.describe('The address under which the other servers reach this one.'),
  roles: z
    .array(role)
    .min(1, 'must name at least one role: control-plane, worker')
    .describe('What the server does.'),
  labels: z
    .record(
      z.string().regex(LABEL_KEY, 'must be a label name'),
      z.string().regex(LABEL_VALUE, 'must be a label value'),
    )
    .optional()
    .describe('Labels of the node.'),
  ssh: ssh.optional().describe('What differs from the ssh section above.'),
});

export const inventorySchema = z
  .strictObject({
    cluster: z.strictObject({
      name: name.describe('Names the cluster on this machine: its state directory and its kubeconfig.'),
      keys: z.enum(['ECDSA-P256', 'RSA-2048']).default('ECDSA-P256').describe('The kind of all keys.'),
    }),
    network: z
      .strictObject({
        podRange: range.default('10.244.0.0/16').describe('Addresses of pods.'),
        nodeMaskSize: z
          .int()
          .min(8)
          .max(30)
          .default(24)
          .describe('The part of the pod range that one node gets.'),
        serviceRange: range.default('10.96.0.0/12').describe('Virtual addresses of Services.'),
        dnsAddress: address
          .optional()
          .describe('Cluster DNS. Default: the tenth address of the service range.'),
        domain: z
          .string()
          .regex(SUBDOMAIN, 'must be a DNS domain')
          .default('cluster.local')
          .describe('Cluster domain.'),
        nodePorts: z
          .string()
          .regex(/^\d{1,5}-\d{1,5}$/, 'must be two ports such as 30000-32767')
          .default('30000-32767')
          .describe('Ports of NodePort Services.'),
      })
      .prefault({}),
    api: z
      .strictObject({
        port: port.default(6443).describe('Port of the API server.'),
        extraNames: z
          .array(z.string().min(1))
          .default([])
          .describe('Further names or addresses for its certificate: a load balancer, a public address.'),
        virtualAddress: address
          .optional()
          .describe('An address for people that moves between the control planes (keepalived).'),
      })
      .prefault({}),
    etcd: z
      .strictObject({
        binary: z
          .string()
          .min(1)
          .optional()
          .describe('An etcd of 3.4 to 3.6 on this machine to use instead of the distribution’s.'),
      })
      .prefault({})
      .describe('The store of several control planes.'),
    snapshots: z
      .strictObject({
        every: z
          .string()
          .regex(/^([1-9]\d{0,3}(m|h|d)|never)$/, 'must be a time such as 30m, 6h or 1d, or "never"')
          .default('6h')
          .describe('How often each control plane copies the store to its own disk.'),
        keep: z.int().min(1).max(1000).default(8).describe('How many snapshots each control plane keeps.'),
      })
      .prefault({})
      .describe('Snapshots of the store on the control planes, beside "slipway backup".'),
    packages: z
      .strictObject({
        bundle: z
          .string()
          .min(1)
          .optional()
          .describe('A bundle that "slipway bundle" made, for servers without a repository.'),
      })
      .prefault({}),
    ssh: ssh.omit({ address: true, hostKey: true }).prefault({}).describe('How every server is reached.'),
    servers: z.array(server).min(1, 'must list at least one server'),
  })
  .describe('The inventory of a slipway cluster.');

export type Inventory = z.output<typeof inventorySchema>;
export type ServerEntry = Inventory['servers'][number];
export type SshEntry = z.output<typeof ssh>;

/** For editors: the inventory as a JSON Schema (draft 2020-12). */
export const inventoryJsonSchema = (): unknown => z.toJSONSchema(inventorySchema, { io: 'input' });
