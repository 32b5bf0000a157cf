import type { Container } from '../../../api/gen/types/core-v1.ts';
import { containersNamed, plural, quoted, setters, sorted, unlessWindows } from './check.ts';
import type { Check, CheckPod, Subject, Violation } from './check.ts';

const POD_ANNOTATION = 'seccomp.security.alpha.kubernetes.io/pod';
const CONTAINER_ANNOTATION = 'container.seccomp.security.alpha.kubernetes.io/';

/** From before profiles had fields of their own. */
const annotations: CheckPod = ({ metadata, containers }) => {
  const names = [POD_ANNOTATION, ...containers.map(({ name }) => `${CONTAINER_ANNOTATION}${name}`)];
  const bad = names.flatMap((name) => {
    const value = metadata.annotations?.[name];
    const fine =
      value === undefined ||
      value === 'runtime/default' ||
      value === 'docker/default' ||
      value.startsWith('localhost/');
    return fine ? [] : [`${name}=${JSON.stringify(value)}`];
  });
  if (bad.length === 0) return undefined;
  const told = sorted(bad);
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${plural(told.length, 'annotation')} ${told.join(', ')}`,
  };
};

const typeOf = ({ securityContext }: Container): string | undefined => securityContext?.seccompProfile?.type;
const isAllowed = (type: string): boolean => type === 'Localhost' || type === 'RuntimeDefault';

function wrongTypes({ spec, containers }: Subject): Violation | undefined {
  const own = spec.securityContext?.seccompProfile?.type;
  const bad = containers.filter((container) => {
    const type = typeOf(container);
    return type !== undefined && !isAllowed(type);
  });
  const podIsBad = own !== undefined && !isAllowed(own);
  const blamed = setters(podIsBad, bad);
  if (blamed === '') return undefined;
  const values = sorted([...(podIsBad ? [own] : []), ...bad.map((container) => typeOf(container) ?? '')]);
  return {
    reason: 'seccompProfile',
    detail: `${blamed} must not set securityContext.seccompProfile.type to ${quoted(values)}`,
  };
}

const restricted: CheckPod = (subject) => {
  const wrong = wrongTypes(subject);
  if (wrong) return wrong;
  if (subject.spec.securityContext?.seccompProfile) return undefined;
  const silent = subject.containers.filter(({ securityContext }) => !securityContext?.seccompProfile);
  if (silent.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `pod or ${containersNamed(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
};

export const seccompBaseline: Check = {
  id: 'seccompProfile_baseline',
  level: 'baseline',
  versions: [
    { from: 0, check: annotations },
    { from: 19, check: wrongTypes },
  ],
};

export const seccompRestricted: Check = {
  id: 'seccompProfile_restricted',
  level: 'restricted',
  versions: [
    { from: 19, check: restricted, overrides: 'seccompProfile_baseline' },
    { from: 25, check: unlessWindows(restricted), overrides: 'seccompProfile_baseline' },
  ],
};
