import { messageOf } from '../../base/errors.ts';
import type { PathHandler } from '../path-handler.ts';
import type { ApiResponse, RequestContext } from '../request-context.ts';
import { isTrue } from '../http/request-info.ts';

/** One thing that must be well. Rejects or throws with why it is not. */
export interface HealthCheck {
  readonly name: string;
  /** Which of the paths ask for it; /healthz does unless told otherwise. */
  readonly livez: boolean;
  readonly readyz: boolean;
  readonly healthz?: boolean;
  check(): Promise<void> | void;
}

const PATHS = ['healthz', 'livez', 'readyz'] as const;

/** /healthz, /livez and /readyz with ?verbose, ?exclude and one path a check. Mirrors apiserver pkg/server/healthz. */
export class HealthHandler implements PathHandler {
  readonly #checks: readonly HealthCheck[];

  constructor(checks: readonly HealthCheck[]) {
    this.#checks = checks;
  }

  async handle(context: RequestContext, response: ApiResponse): Promise<boolean> {
    const [, root, ...rest] = context.info.path.split('/');
    const path = PATHS.find((each) => each === root);
    if (!path) return false;
    const name = rest.join('/');
    const { query } = context.http;
    const of = this.#checks.filter((check) => (path === 'healthz' ? check.healthz !== false : check[path]));
    const excluded = new Set(query.getAll('exclude'));
    if (name !== '') {
      const one = of.find((check) => check.name === name);
      if (!one) return false;
      await answer(response, `${path}/${name}`, [one], excluded, isTrue(query.get('verbose')));
      return true;
    }
    await answer(response, path, of, excluded, isTrue(query.get('verbose')));
    return true;
  }
}

async function answer(
  response: ApiResponse,
  name: string,
  checks: readonly HealthCheck[],
  excluded: ReadonlySet<string>,
  verbose: boolean,
): Promise<void> {
  const lines: string[] = [];
  let failed = false;
  for (const check of checks) {
    if (excluded.has(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    try {
      await check.check();
      lines.push(`[+]${check.name} ok`);
    } catch (error) {
      failed = true;
      lines.push(`[-]${check.name} failed: ${messageOf(error)}`);
    }
  }
  const unknown = [...excluded].filter((each) => !checks.some((check) => check.name === each));
  if (unknown.length > 0) {
    const names = unknown.map((each) => JSON.stringify(each)).join(', ');
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
  }
  const text = 'text/plain; charset=utf-8';
  response.setHeader('x-content-type-options', 'nosniff');
  if (failed) {
    response.send(500, text, Buffer.from(`${lines.join('\n')}\n${name} check failed\n`));
  } else if (verbose) {
    response.send(200, text, Buffer.from(`${lines.join('\n')}\n${name} check passed\n`));
  } else {
    response.send(200, text, Buffer.from('ok'));
  }
}
