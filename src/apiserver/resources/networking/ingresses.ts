import { isIP } from 'node:net';
import { INGRESSCLASSES, INGRESSES } from '../../../api/gen/resources.ts';
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressRule,
} from '../../../api/gen/types/networking-v1.ts';
import { forbidden, invalid, notSupported, required, tooLong } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { rbacNameProblems as pathSegmentName } from '../rbac/rbac-rules.ts';
import {
  at,
  checkDomainPrefixedPath,
  checkFormat,
  checkImmutable,
  checkOptionalEnum,
  child,
} from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain, portName, portNumber, wildcardSubdomain } from '../validation/formats.ts';
import { ipFamily, ipProblems } from '../validation/ip.ts';
import { loadBalancerWarnings } from '../core/service-warnings.ts';

const hostProblems = (host: string): string[] =>
  host.includes('*') ? wildcardSubdomain(host) : dnsSubdomain(host);

/** Mirrors ValidateIngressSpec of pkg/apis/networking/validation/validation.go. */
function validate({ spec }: Ingress): FieldError[] {
  const errors: Errors = [];
  const rules = spec?.rules ?? [];
  if (rules.length === 0 && !spec?.defaultBackend) {
    errors.push(invalid('spec', spec?.rules ?? null, 'either `defaultBackend` or `rules` must be specified'));
  }
  if (spec?.defaultBackend) validateBackend(errors, 'spec.defaultBackend', spec.defaultBackend);
  rules.forEach((rule, index) => validateRule(errors, at('spec.rules', index), rule));
  (spec?.tls ?? []).forEach((tls, index) => {
    const here = at('spec.tls', index);
    (tls.hosts ?? []).forEach((host, number) => {
      checkFormat(errors, at(child(here, 'hosts'), number), host, hostProblems(host));
    });
    if (tls.secretName) {
      checkFormat(errors, child(here, 'secretName'), tls.secretName, dnsSubdomain(tls.secretName));
    }
  });
  if (spec?.ingressClassName !== undefined) {
    checkFormat(errors, 'spec.ingressClassName', spec.ingressClassName, dnsSubdomain(spec.ingressClassName));
  }
  return errors;
}

function validateRule(errors: Errors, path: string, rule: IngressRule): void {
  if (rule.host) {
    if (isIP(rule.host) !== 0) {
      errors.push(invalid(child(path, 'host'), rule.host, 'must be a DNS name, not an IP address'));
    }
    checkFormat(errors, child(path, 'host'), rule.host, hostProblems(rule.host));
  }
  if (!rule.http) return;
  const paths = child(path, 'http', 'paths');
  if (!rule.http.paths?.length) errors.push(required(paths));
  (rule.http.paths ?? []).forEach((one, index) => validatePath(errors, at(paths, index), one));
}

const BAD_PIECES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_ENDS = ['/..', '/.'];

function validatePath(errors: Errors, path: string, one: HTTPIngressPath): void {
  const field = child(path, 'path');
  const value = one.path ?? '';
  if (!one.pathType) {
    errors.push(required(child(path, 'pathType'), 'pathType must be specified'));
    return;
  }
  if (one.pathType === 'Exact' || one.pathType === 'Prefix') {
    if (!value.startsWith('/')) errors.push(invalid(field, value, 'must be an absolute path'));
    for (const piece of BAD_PIECES) {
      if (value.includes(piece)) errors.push(invalid(field, value, `must not contain '${piece}'`));
    }
    for (const end of BAD_ENDS) {
      if (value.endsWith(end)) errors.push(invalid(field, value, `cannot end with '${end}'`));
    }
  } else if (one.pathType === 'ImplementationSpecific') {
    if (value !== '' && !value.startsWith('/')) {
      errors.push(invalid(field, value, 'must be an absolute path'));
    }
  } else {
    const known = ['Exact', 'ImplementationSpecific', 'Prefix'];
    errors.push(notSupported(child(path, 'pathType'), one.pathType, known));
  }
  validateBackend(errors, child(path, 'backend'), one.backend);
}

function validateBackend(errors: Errors, path: string, backend: IngressBackend | undefined): void {
  const { service, resource } = backend ?? {};
  if (service && resource) {
    errors.push(invalid(path, '', 'cannot set both resource and service backends'));
  } else if (!service && !resource) {
    errors.push(invalid(path, '', 'resource or service backend is required'));
  }
  if (resource && !service) {
    if (!resource.kind) errors.push(required(child(path, 'resource', 'kind')));
    if (!resource.name) errors.push(required(child(path, 'resource', 'name')));
  }
  if (!service || resource) return;
  const here = child(path, 'service');
  if (!service.name) errors.push(required(child(here, 'name')));
  else checkFormat(errors, child(here, 'name'), service.name, dnsLabel(service.name));
  const { name, number } = service.port ?? {};
  const port = child(here, 'port');
  if (name && number) errors.push(invalid(path, '', 'cannot set both port name & port number'));
  else if (name) checkFormat(errors, child(port, 'name'), name, portName(name));
  else if (number) checkFormat(errors, child(port, 'number'), number, portNumber(number));
  else errors.push(required(path, 'port name or number is required'));
}

function validateStatus({ status }: Ingress): FieldError[] {
  const errors: Errors = [];
  (status?.loadBalancer?.ingress ?? []).forEach((one, index) => {
    const here = at('status.loadBalancer.ingress', index);
    if (one.ip) checkFormat(errors, child(here, 'ip'), one.ip, ipProblems(one.ip));
    if (one.hostname) {
      checkFormat(errors, child(here, 'hostname'), one.hostname, dnsSubdomain(one.hostname));
      if (ipFamily(one.hostname) !== '') {
        errors.push(invalid(child(here, 'hostname'), one.hostname, 'must be a DNS name, not an IP address'));
      }
    }
  });
  return errors;
}

const CLASS = 'kubernetes.io/ingress.class';

/** Mirrors pkg/registry/networking/ingress/strategy.go. */
export const ingresses = define(INGRESSES, {
  shortNames: ['ing'],
  strategy: {
    ...statusStrategy,
    validateCreate(ingress) {
      const errors = validate(ingress);
      const annotation = ingress.metadata?.annotations?.[CLASS];
      const name = ingress.spec?.ingressClassName;
      if (annotation !== undefined && name !== undefined && annotation !== name) {
        const why = 'must match `ingressClassName` when both are specified';
        errors.push(invalid(`annotations.${CLASS}`, annotation, why));
      }
      return errors;
    },
    validateUpdate: validate,
    warningsOnCreate: ({ metadata }) =>
      metadata?.annotations?.[CLASS] === undefined
        ? []
        : [`annotation "${CLASS}" is deprecated, please use 'spec.ingressClassName' instead`],
  },
  subresources: [
    {
      ...statusOf(validateStatus),
      warningsOnUpdate: ({ status }: Ingress) => loadBalancerWarnings(status?.loadBalancer),
    },
  ],
  columns: [
    nameColumn(),
    column('Class', 'string', ({ spec }) => spec?.ingressClassName ?? '<none>'),
    column('Hosts', 'string', ({ spec }) => {
      const hosts = (spec?.rules ?? []).map((rule) => rule.host ?? '').filter((host) => host !== '');
      if (hosts.length === 0) return '*';
      const shown = hosts.slice(0, 3).join(',');
      return hosts.length > 3 ? `${shown} + ${hosts.length - 3} more...` : shown;
    }),
    column('Address', 'string', ({ status }) =>
      (status?.loadBalancer?.ingress ?? []).map((one) => one.ip || one.hostname || '').join(','),
    ),
    column('Ports', 'string', ({ spec }) => (spec?.tls?.length ? '80, 443' : '80')),
    ageColumn(),
  ],
});

function validateClass({ spec }: IngressClass): FieldError[] {
  const errors: Errors = [];
  const controller = spec?.controller ?? '';
  if (controller.length > 250) errors.push(tooLong('spec.controller', 250));
  checkDomainPrefixedPath(errors, 'spec.controller', controller);
  const parameters = spec?.parameters;
  if (!parameters) return errors;
  const { apiGroup, namespace } = parameters;
  if (apiGroup) checkFormat(errors, 'spec.parameters.apiGroup', apiGroup, dnsSubdomain(apiGroup));
  for (const field of ['kind', 'name'] as const) {
    const value = parameters[field];
    if (!value) errors.push(required(`spec.parameters.${field}`));
    else checkFormat(errors, `spec.parameters.${field}`, value, pathSegmentName(value));
  }
  checkOptionalEnum(errors, 'spec.parameters.scope', parameters.scope, ['Cluster', 'Namespace']);
  if (parameters.scope === 'Namespace' && !parameters.namespace) {
    errors.push(required('spec.parameters.namespace', "`parameters.scope` is set to 'Namespace'"));
  } else if (parameters.scope === 'Namespace') {
    checkFormat(errors, 'spec.parameters.namespace', namespace, dnsLabel(namespace));
  }
  if (parameters.scope === 'Cluster' && namespace !== undefined) {
    errors.push(forbidden('spec.parameters.namespace', "`parameters.scope` is set to 'Cluster'"));
  }
  return errors;
}

/** Mirrors pkg/registry/networking/ingressclass/strategy.go. */
export const ingressclasses = define(INGRESSCLASSES, {
  strategy: {
    defaults({ spec }) {
      if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
    },
    generation: true,
    validateCreate: validateClass,
    validateUpdate(object, old) {
      const errors = validateClass(object);
      checkImmutable(errors, 'spec.controller', object.spec?.controller, old.spec?.controller);
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('Controller', 'string', ({ spec }) => spec?.controller ?? ''),
    column('Parameters', 'string', ({ spec }) => {
      const parameters = spec?.parameters;
      if (!parameters) return '<none>';
      const kind = parameters.apiGroup ? `${parameters.kind}.${parameters.apiGroup}` : parameters.kind;
      return `${kind}/${parameters.name}`;
    }),
    ageColumn(),
  ],
});
