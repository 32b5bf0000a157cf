import { SERVICES } from '../../../api/gen/resources.ts';
import type { Service } from '../../../api/gen/types/core-v1.ts';
import { forbidden, invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import { ageColumn, column, formatLabels, nameColumn } from '../columns.ts';
import { define, statusOf } from '../define.ts';
import { checkFormat, checkOptionalEnum } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain } from '../validation/formats.ts';
import { ipFamily, ipProblems } from '../validation/ip.ts';
import { serviceProxy } from './proxies.ts';
import type { ServiceNetwork } from './service-network.ts';
import {
  checkNodePortsOnce,
  chooseFamilies,
  defaultService,
  dropTypeFields,
  keepAllocated,
  normalizeClusterIps,
} from './service-prepare.ts';
import { validateService, validateServiceChanges } from './service-validation.ts';
import { loadBalancerWarnings, serviceWarnings } from './service-warnings.ts';

/** Mirrors getServiceExternalIP of pkg/printers/internalversion/printers.go. */
function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  if (spec?.type === 'ExternalName') return spec.externalName || '<none>';
  if (spec?.type !== 'LoadBalancer') return external.length > 0 ? external.join(',') : '<none>';
  const ingress = (status?.loadBalancer?.ingress ?? []).map((one) => one.ip || one.hostname || '');
  const all = [...new Set([...ingress.filter((one) => one !== ''), ...external])];
  return all.length > 0 ? all.join(',') : '<pending>';
}

function ports({ spec }: Service): string {
  const texts = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return texts.length > 0 ? texts.join(',') : '<none>';
}

function validateStatus({ spec, status }: Service): FieldError[] {
  const errors: Errors = [];
  const ingress = status?.loadBalancer?.ingress ?? [];
  if (spec?.type !== 'LoadBalancer' && ingress.length > 0) {
    const why = "may only be used when `spec.type` is 'LoadBalancer'";
    errors.push(forbidden('status.loadBalancer.ingress', why));
  }
  ingress.forEach((one, index) => {
    const field = `status.loadBalancer.ingress[${index}]`;
    if (one.ip) checkFormat(errors, `${field}.ip`, one.ip, ipProblems(one.ip));
    if (one.ipMode !== undefined && !one.ip) {
      errors.push(forbidden(`${field}.ipMode`, 'may not be specified when `ip` is not set'));
    } else {
      checkOptionalEnum(errors, `${field}.ipMode`, one.ipMode, ['Proxy', 'VIP']);
    }
    if (!one.hostname) return;
    checkFormat(errors, `${field}.hostname`, one.hostname, dnsSubdomain(one.hostname));
    if (ipFamily(one.hostname) !== '') {
      errors.push(invalid(`${field}.hostname`, one.hostname, 'must be a DNS name, not an IP address'));
    }
  });
  return errors;
}

/** Mirrors pkg/registry/core/service/{strategy,storage/storage}.go. */
export function services(network: ServiceNetwork): ResourceDefinition {
  /** Found while families are chosen. */
  const familyErrors = new WeakMap<Service, Errors>();
  const prepare = (service: Service, old: Service | undefined) => {
    const errors: Errors = [];
    if (service.spec) {
      normalizeClusterIps(service.spec, old?.spec);
      chooseFamilies(errors, service.spec, old?.spec, network.families);
      if (errors.length === 0) checkNodePortsOnce(errors, service.spec);
    }
    familyErrors.set(service, errors);
  };
  const validate = (service: Service): Errors => {
    // Upstream allocates before it validates, and says no more where that fails.
    const early = familyErrors.get(service) ?? [];
    if (early.length > 0) return [...early];
    const errors: Errors = [];
    validateService(errors, service);
    return errors;
  };
  return define(SERVICES, {
    shortNames: ['svc'],
    categories: ['all'],
    strategy: {
      returnsDeletedObject: true,
      defaults: defaultService,
      validateName: (name) => dnsLabel(name),
      generation: false,
      prepareForCreate(service) {
        service.status = { loadBalancer: {} };
        prepare(service, undefined);
      },
      prepareForUpdate(service, old) {
        if (old.status) service.status = old.status;
        if (service.spec && old.spec) {
          normalizeClusterIps(service.spec, old.spec);
          keepAllocated(service.spec, old.spec);
          dropTypeFields(service.spec, old.spec);
        }
        prepare(service, old);
      },
      warningsOnCreate: serviceWarnings,
      warningsOnUpdate: serviceWarnings,
      validateCreate: validate,
      validateUpdate(service, old) {
        const errors: Errors = [];
        if (familyErrors.get(service)?.length) return validate(service);
        if (service.spec && old.spec) validateServiceChanges(errors, service.spec, old.spec);
        return [...errors, ...validate(service)];
      },
      beforeCreate: (service, context) => network.take(service, undefined, context),
      beforeUpdate: (service, old, context) => network.take(service, old, context),
      afterUpdate: (service, old, context) => network.giveBack(context.store, old, service),
      afterDelete: (service, context) => network.giveBack(context.store, service, undefined),
    },
    subresources: [
      {
        ...statusOf(validateStatus),
        warningsOnUpdate: ({ status }: Service) => loadBalancerWarnings(status?.loadBalancer),
      },
      serviceProxy(),
    ],
    fields: ({ spec }) => ({ 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' }),
    selectableFields: ['spec.clusterIP', 'spec.type'],
    columns: [
      nameColumn(),
      column('Type', 'string', ({ spec }) => spec?.type ?? ''),
      column('Cluster-IP', 'string', ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || '<none>'),
      column('External-IP', 'string', externalIp),
      column('Port(s)', 'string', ports),
      ageColumn(),
      column('Selector', 'string', ({ spec }) => formatLabels(spec?.selector), 'wide'),
    ],
  });
}
