import type {
  Container,
  HTTPGetAction,
  Lifecycle,
  PodSpec,
  Probe,
} from '../../../../api/gen/types/core-v1.ts';
import { forbidden, invalid, notSupported, required } from '../../../field-error.ts';
import { checkFormat, checkNonNegative, checkPortOrName, child } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { httpHeaderName } from '../../validation/formats.ts';

interface Handler {
  exec?: { command?: string[] };
  httpGet?: HTTPGetAction;
  tcpSocket?: { port: number | string };
  grpc?: { port: number };
  sleep?: { seconds: number };
}

const STOP_SIGNALS = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS ' +
    'TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  )
    .split(' ')
    .map((name) => `SIG${name}`)
    .concat(Array.from({ length: 15 }, (_, index) => `SIGRTMIN+${index + 1}`))
    .concat(Array.from({ length: 14 }, (_, index) => `SIGRTMAX-${index + 1}`)),
);

/** Probes and hooks of a container that runs on: all but plain init containers. */
export function validateProbes(errors: Errors, path: string, container: Container, spec: PodSpec): void {
  const grace = spec.terminationGracePeriodSeconds;
  if (container.lifecycle) validateLifecycle(errors, child(path, 'lifecycle'), container.lifecycle, spec);
  const { livenessProbe, readinessProbe, startupProbe } = container;
  validateProbe(errors, child(path, 'livenessProbe'), livenessProbe, grace);
  checkSuccessThreshold(errors, child(path, 'livenessProbe'), livenessProbe);
  validateProbe(errors, child(path, 'readinessProbe'), readinessProbe, grace);
  if (readinessProbe?.terminationGracePeriodSeconds !== undefined) {
    const field = child(path, 'readinessProbe', 'terminationGracePeriodSeconds');
    const value = readinessProbe.terminationGracePeriodSeconds;
    errors.push(invalid(field, value, 'must not be set for readinessProbes'));
  }
  validateProbe(errors, child(path, 'startupProbe'), startupProbe, grace);
  checkSuccessThreshold(errors, child(path, 'startupProbe'), startupProbe);
}

function checkSuccessThreshold(errors: Errors, path: string, probe: Probe | undefined): void {
  if (probe && probe.successThreshold !== 1) {
    errors.push(invalid(child(path, 'successThreshold'), probe.successThreshold, 'must be 1'));
  }
}

function validateProbe(
  errors: Errors,
  path: string,
  probe: Probe | undefined,
  grace: number | undefined,
): void {
  if (!probe) return;
  validateHandler(errors, path, probe, grace);
  checkNonNegative(errors, child(path, 'initialDelaySeconds'), probe.initialDelaySeconds);
  checkNonNegative(errors, child(path, 'timeoutSeconds'), probe.timeoutSeconds);
  checkNonNegative(errors, child(path, 'periodSeconds'), probe.periodSeconds);
  checkNonNegative(errors, child(path, 'successThreshold'), probe.successThreshold);
  checkNonNegative(errors, child(path, 'failureThreshold'), probe.failureThreshold);
  const own = probe.terminationGracePeriodSeconds;
  if (own !== undefined && own <= 0) {
    errors.push(invalid(child(path, 'terminationGracePeriodSeconds'), own, 'must be greater than 0'));
  }
}

function validateLifecycle(errors: Errors, path: string, lifecycle: Lifecycle, spec: PodSpec): void {
  const grace = spec.terminationGracePeriodSeconds;
  if (lifecycle.postStart) validateHandler(errors, child(path, 'postStart'), lifecycle.postStart, grace);
  if (lifecycle.preStop) validateHandler(errors, child(path, 'preStop'), lifecycle.preStop, grace);
  if (lifecycle.stopSignal === undefined) return;
  const field = child(path, 'stopSignal');
  if (!spec.os) {
    errors.push(forbidden(field, 'may not be set for containers with empty `spec.os.name`'));
  } else if (spec.os.name === 'windows' && !['SIGKILL', 'SIGTERM'].includes(lifecycle.stopSignal)) {
    errors.push(notSupported(field, lifecycle.stopSignal, ['SIGKILL', 'SIGTERM']));
  } else if (spec.os.name === 'linux' && !STOP_SIGNALS.has(lifecycle.stopSignal)) {
    errors.push(notSupported(field, lifecycle.stopSignal, [...STOP_SIGNALS].sort()));
  }
}

function validateHandler(errors: Errors, path: string, handler: Handler, grace: number | undefined): void {
  let count = 0;
  const each = (name: keyof Handler, check: (field: string) => void) => {
    if (handler[name] === undefined || handler[name] === null) return;
    const field = child(path, name);
    count += 1;
    if (count > 1) errors.push(forbidden(field, 'may not specify more than 1 handler type'));
    else check(field);
  };
  each('exec', (field) => {
    if (!handler.exec?.command?.length) errors.push(required(child(field, 'command')));
  });
  each('httpGet', (field) => handler.httpGet && validateHttpGet(errors, field, handler.httpGet));
  each('tcpSocket', (field) => {
    if (handler.tcpSocket) checkPortOrName(errors, child(field, 'port'), handler.tcpSocket.port);
  });
  each('grpc', (field) => {
    if (handler.grpc) checkPortOrName(errors, child(field, 'port'), handler.grpc.port);
  });
  each('sleep', (field) => {
    const seconds = handler.sleep?.seconds ?? 0;
    if (grace === undefined || (seconds >= 0 && seconds <= grace)) return;
    const why = `must be non-negative and less than terminationGracePeriodSeconds (${grace})`;
    errors.push(invalid(field, seconds, why));
  });
  if (count === 0) errors.push(required(path, 'must specify a handler type'));
}

function validateHttpGet(errors: Errors, path: string, action: HTTPGetAction): void {
  if (!action.path) errors.push(required(child(path, 'path')));
  checkPortOrName(errors, child(path, 'port'), action.port);
  if (action.scheme !== 'HTTP' && action.scheme !== 'HTTPS') {
    errors.push(notSupported(child(path, 'scheme'), action.scheme, ['HTTP', 'HTTPS']));
  }
  for (const header of action.httpHeaders ?? []) {
    checkFormat(errors, child(path, 'httpHeaders'), header.name, httpHeaderName(header.name));
  }
}
