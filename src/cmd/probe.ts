import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import type { ListenRequest, MeasureRequest } from '../bootstrap/preflight/probe/protocol.ts';

const EXAMPLES = `
Examples:
  slipway preflight --inventory cluster.yaml     uploads this executable and runs "slipway probe" on each server

Exit codes:
  0  listened until the input ended, or measured
  1  the request could not be carried out`;

/** What `slipway preflight` runs on the servers. Not for people: it is left out of help. */
export function probeCommand(): Command {
  return new Command('probe')
    .description('listen or measure for "slipway preflight"; the request comes on standard input as JSON')
    .argument('<what>', 'listen: until standard input ends. measure: prints a JSON object')
    .addHelpText('after', EXAMPLES)
    .action(async (what: string) => {
      if (what === 'listen') await listenUntilEnd();
      else await measureOnce();
    });
}

/** The request is the first line; the end of the input, which comes with the end of the SSH session, ends it all. */
async function listenUntilEnd(): Promise<void> {
  const { listen } = await import('../bootstrap/preflight/probe/listen.ts');
  const ended = new AbortController();
  const request = Promise.withResolvers<ListenRequest>();
  let text = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (chunk: string) => {
    text += chunk;
    const at = text.indexOf('\n');
    if (at >= 0) request.resolve(JSON.parse(text.slice(0, at)) as ListenRequest);
  });
  process.stdin.on('end', () => {
    request.reject(new Error('the input ended before the request'));
    ended.abort();
  });
  await listen(await request.promise, systemClock, ended.signal);
  process.stdin.destroy();
}

async function measureOnce(): Promise<void> {
  const { measure } = await import('../bootstrap/preflight/probe/measure.ts');
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  const result = await measure(JSON.parse(text) as MeasureRequest, systemClock);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
