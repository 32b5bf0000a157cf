import { spawn, spawnSync, type ChildProcess } from 'node:child_process';

export interface KubectlResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** kubectl with one kubeconfig, as a person runs it. */
export interface Kubectl {
  /** Standard output; rejects with the command, its exit code and its standard error where it fails. */
  (...args: string[]): Promise<string>;
  try(args: readonly string[], input?: string): Promise<KubectlResult>;
  /** Runs with text on standard input, e.g. `apply -f -`. */
  withInput(input: string, ...args: string[]): Promise<string>;
  json<T>(...args: string[]): Promise<T>;
  /** A kubectl that goes on in the background; the caller ends it. */
  spawn(...args: string[]): ChildProcess;
}

/** Why kubectl cannot be used here, or undefined. Installs Debian's kubernetes-client where root may. */
export function kubectlSkipReason(): string | undefined {
  if (spawnSync('kubectl', ['version', '--client']).status === 0) return undefined;
  if (process.getuid?.() !== 0) return 'kubectl is not installed: apt-get install kubernetes-client';
  spawnSync('apt-get', ['update']);
  const install = spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'kubernetes-client']);
  return install.status === 0
    ? undefined
    : `kubectl cannot be installed: ${install.stderr.toString().trim()}`;
}

/** `program`: the one in the PATH unless told. */
export function kubectlWith(kubeconfig: string, program = 'kubectl'): Kubectl {
  const environment = { ...process.env, KUBECONFIG: kubeconfig };

  function run(args: readonly string[], input?: string): Promise<KubectlResult> {
    const child = spawn(program, [...args], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
    });
  }

  async function must(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await run(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr.trim()}`);
    return stdout;
  }

  return Object.assign((...args: string[]) => must(args), {
    try: run,
    withInput: (input: string, ...args: string[]) => must(args, input),
    json: async <T>(...args: string[]) => JSON.parse(await must([...args, '-o', 'json'])) as T,
    spawn: (...args: string[]) =>
      spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] }),
  });
}
