import type { Container, LifecycleHandler, Pod } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import type { CriRuntime } from '../cri/runtime.ts';
import { httpGet, resolvePort, urlHost } from '../probes/http-get.ts';

/** Long enough for any hook: its caller sets the real limit. */
const NO_TIMEOUT_SECONDS = 0;

/** Runs postStart and preStop handlers. Mirrors pkg/kubelet/lifecycle/handlers.go. */
export class HookRunner {
  readonly #runtime: CriRuntime;
  readonly #clock: Clock;

  constructor(runtime: CriRuntime, clock: Clock) {
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /** Rejects with E_HOOK where the handler fails. */
  async run(
    pod: Pod,
    container: Container,
    containerId: string,
    handler: LifecycleHandler,
    podIp: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (handler.exec) {
      const command = handler.exec.command ?? [];
      const result = await this.#runtime.execSync(containerId, command, NO_TIMEOUT_SECONDS, signal);
      if (result.exitCode === 0) return;
      const output = Buffer.concat([result.stdout, result.stderr]).toString('utf8');
      throw new SlipwayError(
        'E_HOOK',
        `Exec lifecycle hook (${command.join(' ')}) for Container "${container.name}" failed: exit status ${result.exitCode}, message: ${JSON.stringify(output)}`,
      );
    }
    if (handler.httpGet) {
      const action = handler.httpGet;
      const host = action.host || podIp || pod.status?.podIP || '';
      const response = await httpGet({
        scheme: action.scheme ?? 'HTTP',
        host: urlHost(host),
        port: resolvePort(action.port, container),
        path: action.path ?? '/',
        headers: action.httpHeaders ?? [],
        userAgent: 'kube-lifecycle/1.36',
        signal,
      });
      if (response.status >= 200 && response.status < 400) return;
      throw new SlipwayError('E_HOOK', `Http lifecycle hook failed: HTTP status ${response.status}`);
    }
    if (handler.sleep) {
      await this.#clock.sleep(handler.sleep.seconds * 1000, signal);
      return;
    }
    throw new SlipwayError('E_HOOK', 'invalid handler: it names none of exec, httpGet and sleep');
  }
}
