import type { Service } from '../../api/gen/types/core-v1.ts';

/** The Service whose address every container gets, whatever enableServiceLinks says. */
const MASTER = { namespace: 'default', name: 'kubernetes' };

/** Docker-links style variables of the services a pod sees. Mirrors pkg/kubelet/envvars/envvars.go. */
export function serviceVariables(
  services: readonly Service[],
  namespace: string,
  enableServiceLinks: boolean,
): Map<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const ip = service.spec?.clusterIP;
    const name = service.metadata?.name ?? '';
    if (!ip || ip === 'None') continue;
    const isMaster = service.metadata?.namespace === MASTER.namespace && name === MASTER.name;
    const own = service.metadata?.namespace === namespace && enableServiceLinks;
    if (own || (isMaster && !chosen.has(name))) chosen.set(name, service);
  }
  const variables = new Map<string, string>();
  for (const [name, service] of chosen) addVariables(variables, name, service);
  return variables;
}

function addVariables(variables: Map<string, string>, name: string, service: Service): void {
  const prefix = variableName(name);
  const ip = service.spec?.clusterIP ?? '';
  const ports = service.spec?.ports ?? [];
  const host = ip.includes(':') ? `[${ip}]` : ip;
  variables.set(`${prefix}_SERVICE_HOST`, ip);
  const first = ports[0];
  if (!first) return;
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const port of ports) {
    if (port.name) variables.set(`${prefix}_SERVICE_PORT_${variableName(port.name)}`, String(port.port));
  }
  for (const [index, port] of ports.entries()) {
    const protocol = port.protocol ?? 'TCP';
    const url = `${protocol.toLowerCase()}://${host}:${port.port}`;
    const portPrefix = `${prefix}_PORT_${port.port}_${protocol}`;
    if (index === 0) variables.set(`${prefix}_PORT`, url);
    variables.set(portPrefix, url);
    variables.set(`${portPrefix}_PROTO`, protocol.toLowerCase());
    variables.set(`${portPrefix}_PORT`, String(port.port));
    variables.set(`${portPrefix}_ADDR`, ip);
  }
}

const variableName = (name: string): string => name.replaceAll('-', '_').toUpperCase();
