import { spawn } from 'node:child_process';

/** A command as a person typed it in a shell, and what came of it. */
export interface TranscriptStep {
  command: string;
  /** Standard output and standard error as they came, without what no two runs share. */
  output: string;
}

/**
 * Reads a transcript: lines that begin with '$ ' are commands, '> ' goes on with one, '#' is a comment before the
 * first command; all else is output.
 */
export function parseTranscript(text: string): TranscriptStep[] {
  const steps: Array<{ command: string[]; output: string[] }> = [];
  for (const line of text.split('\n')) {
    const step = steps.at(-1);
    if (line.startsWith('$ ')) steps.push({ command: [line.slice(2)], output: [] });
    else if (step && line.startsWith('> ') && step.output.length === 0) step.command.push(line.slice(2));
    else step?.output.push(line);
  }
  return steps.map(({ command, output }) => ({
    command: command.join('\n'),
    output: output.join('\n').trimEnd(),
  }));
}

export function renderTranscript(steps: readonly TranscriptStep[]): string {
  return steps
    .map(
      ({ command, output }) => `$ ${command.replaceAll('\n', '\n> ')}\n${output === '' ? '' : `${output}\n`}`,
    )
    .join('\n');
}

export interface Shell {
  /** Files that the commands make are here. */
  directory: string;
  kubeconfig: string;
  /** Also the namespace of the kubeconfig's context. */
  namespace: string;
}

/** Makes the namespace of a transcript, with the service account that a controller would make, and turns to it. */
export async function enterNamespace(shell: Shell): Promise<void> {
  const { namespace } = shell;
  const output = await runCommand(
    shell,
    `kubectl create namespace ${namespace} && kubectl config set-context --current --namespace=${namespace} && ` +
      `kubectl create serviceaccount default`,
  );
  if (output.includes('[exit ')) throw new Error(output);
}

export async function runCommand(shell: Shell, command: string): Promise<string> {
  const child = spawn('timeout', ['60', 'bash', '-c', `exec 2>&1\n${command}`], {
    cwd: shell.directory,
    env: { ...process.env, KUBECONFIG: shell.kubeconfig, HOME: shell.directory, KUBECTL_PRUNE_WHITELIST: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return `${comparable(output)}${code === 0 ? '' : `\n[exit ${code}]`}`.trim();
}

/** Replaces what differs between two servers that behave alike: times, identities, addresses, widths of columns. */
function comparable(output: string): string {
  return output
    .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\b/g, '<time>')
    .replace(/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, '<time>')
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uid>')
    .replace(/("?resourceVersion"?: ?")\d+"/g, '$1<version>"')
    .replace(/\bhttps:\/\/127\.0\.0\.1:\d+/g, '<server>')
    .replace(/\b10\.(96|97|98|99|1[01]\d)\.\d+\.\d+\b/g, '<service-ip>')
    .replace(/\b(nodePort"?: |\d+:)3\d{4}\b/g, '$1<node-port>')
    .replace(/\/tmp\/[\w./-]+/g, '<file>')
    .replace(/(\b(?:made|kube-api-access)-)[a-z0-9]{5}\b/g, '$1<suffix>')
    .replace(/"(exp|iat|nbf)":\d+/g, '"$1":<seconds>')
    .replace(/(^| |\()(\d+[dhms])+( ago\)|$| )/gm, '$1<age>$3')
    .replace(/<invalid>/g, '<age>')
    .replace(/(\S) {2,}/g, '$1  ')
    .replace(/ +$/gm, '');
}
