import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { runScript, ScriptError } from '../../provision/host.ts';
import type { Node } from '../cluster.ts';
import type { ListenReady, ListenRequest, MeasureRequest, MeasureResult } from './probe/protocol.ts';

/** The longest that anything of a measurement stays on a server, whatever becomes of the operator's machine. */
const LIFETIME_MS = 300_000;

/**
 * Our executable on a server for the time of a measurement, in a tmpfs of its own under /run. A guard waits for the
 * end of its input, which comes when the session is closed, the SSH connection breaks, or the operator's process is
 * killed; then it removes everything. No disk of the server is written to.
 */
export class ProbeSession {
  readonly node: Node;
  readonly #directory = `/run/slipway-preflight-${randomBytes(8).toString('hex')}`;
  readonly #end = Promise.withResolvers<void>();
  readonly #measured = Promise.withResolvers<void>();
  #guard: Promise<unknown> = Promise.resolve();
  #listener: Promise<unknown> = Promise.resolve();

  constructor(node: Node) {
    this.node = node;
  }

  /** Uploads the executable. Errors: ScriptError, E_PROBE. */
  async open(): Promise<void> {
    const { host, cluster } = this.node;
    const at = this.#directory;
    const { release, signal } = cluster;
    const mib = Math.ceil(release.bytes / 2 ** 20) + 16;
    // A tmpfs of its own: /run is often noexec, and small. Where nothing may be mounted, /run itself has to do.
    const guard = `mkdir -m 700 ${at} || exit 1
mount -t tmpfs -o size=${mib}m,mode=700,nosuid,nodev slipway-preflight ${at} 2>/dev/null || true
timeout ${LIFETIME_MS / 1000} cat >/dev/null || true
for try in 1 2 3 4 5 6 7 8 9 10; do
  umount -l ${at} 2>/dev/null || true
  rm -rf ${at} && exit 0
  sleep 0.2
done`;
    this.#guard = host
      .pipe(guard, untilThen('\n', this.#end.promise), { timeoutMs: LIFETIME_MS + 30_000 })
      .catch(() => {});
    const upload = `set -e
n=0
while [ ! -d ${at} ]; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.05; done
sleep 0.1
gzip -dc >${at}/slipway
echo '${release.sha256}  ${at}/slipway' | sha256sum --check --status
chmod 700 ${at}/slipway`;
    const source = createReadStream(release.compressedPath, { highWaterMark: 1 << 20 });
    const result = await host.pipe(upload, source, { timeoutMs: LIFETIME_MS, signal });
    if (result.code !== 0) throw new ScriptError(host, 'uploading the probe to /run', result);
  }

  /** Starts the listener and resolves when it listens. */
  async listen(request: Omit<ListenRequest, 'readyFile' | 'lifetimeMs'>): Promise<ListenReady> {
    const { host, cluster } = this.node;
    const readyFile = `${this.#directory}/ready`;
    const text = `${JSON.stringify({ ...request, readyFile, lifetimeMs: LIFETIME_MS })}\n`;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    this.#listener = host
      .pipe(`${this.#directory}/slipway probe listen`, untilThen(text, this.#measured.promise), {
        timeoutMs: LIFETIME_MS + 30_000,
      })
      .then(
        (result) => failed.reject(new ScriptError(host, 'the probe', result)),
        (error: unknown) => failed.reject(error),
      );
    const wait = `n=0
while [ ! -e ${readyFile} ]; do n=$((n + 1)); [ $n -lt 300 ] || exit 1; sleep 0.05; done
cat ${readyFile}
`;
    const ready = runScript(host, 'waiting for the probe', wait, { signal: cluster.signal });
    return parse(this.node, await Promise.race([ready, failed.promise])) as ListenReady;
  }

  async measure(request: MeasureRequest): Promise<MeasureResult> {
    const { host, cluster } = this.node;
    const command = `${this.#directory}/slipway probe measure`;
    const input = once(JSON.stringify(request));
    const result = await host.pipe(command, input, { timeoutMs: 120_000, signal: cluster.signal });
    if (result.code !== 0) throw new ScriptError(host, 'measuring', result);
    return parse(this.node, result.stdout) as MeasureResult;
  }

  /** Our executable, as long as the session is open. */
  get executable(): string {
    return `${this.#directory}/slipway`;
  }

  /** Ends the listener alone: what is installed next is the same executable, which must not be sent twice. */
  async endMeasuring(): Promise<void> {
    this.#measured.resolve();
    await this.#listener.catch(() => undefined);
  }

  /** Ends the listener, removes the folder, and resolves when both have happened. */
  async close(): Promise<void> {
    this.#measured.resolve();
    this.#end.resolve();
    await Promise.all([this.#guard, this.#listener]);
  }
}

/** An input that stays open until then. */
async function* untilThen(first: string, then: Promise<void>): AsyncGenerator<Uint8Array> {
  // A chunk at once: some streams open with the first one only.
  yield Buffer.from(first);
  await then;
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

function parse(node: Node, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SlipwayError(
      'E_PROBE',
      `${node.name}: the probe answers what is no JSON: ${messageOf(cause)}`,
      {
        cause,
        hint: 'give --executable a slipway of this version',
      },
    );
  }
}
