import { runScript, type Host, type RunOptions } from './host.ts';
import { ledgerFunctions } from './ledger.ts';

/** Where an uploaded bundle of packages is unpacked; removed after the installation. */
export const PACKAGES_DIRECTORY = '/var/lib/slipway/packages';

export interface PackageSource {
  /** Path on the server of an uploaded bundle (tar); the server's own repositories where absent. */
  bundlePath?: string;
}

/**
 * Installs Debian packages, from the server's repositories or from an uploaded bundle as a repository of its own:
 * apt itself decides what the server lacks. What apt adds is recorded before it is added.
 */
export async function installPackages(
  host: Host,
  change: string,
  names: readonly string[],
  source: PackageSource,
  options: RunOptions = {},
): Promise<void> {
  const folder = `${PACKAGES_DIRECTORY}/repository`;
  const local = `
rm -rf '${folder}'
make_directory '${PACKAGES_DIRECTORY}'
mkdir -p '${folder}/lists/partial' '${folder}/cache/archives/partial'
tar -C '${folder}' -xf '${source.bundlePath}'
echo 'deb [trusted=yes] file:${folder} ./' >'${folder}/sources.list'
APT="-o Dir::Etc::SourceList=${folder}/sources.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=${folder}/lists -o Dir::Cache=${folder}/cache -o APT::Sandbox::User=root"
`;
  const script = `${ledgerFunctions(change)}
export DEBIAN_FRONTEND=noninteractive
APT=
${source.bundlePath === undefined ? '' : local}
APT="$APT -q -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
# A power cut in the middle of an earlier run leaves packages unpacked.
dpkg --configure -a </dev/null >&2
apt-get $APT update </dev/null >&2
added=$(apt-get $APT --simulate --no-install-recommends install ${names.join(' ')} </dev/null | sed -n 's/^Inst \\([^ ]*\\) .*/"\\1"/p' | paste -sd, -)
ledger "\\"packages\\":[$added]"
sync "$LEDGER/ledger.jsonl"
apt-get $APT --yes --no-install-recommends install ${names.join(' ')} </dev/null >&2
rm -rf '${folder}'${source.bundlePath === undefined ? '' : ` '${source.bundlePath}'`}
`;
  await runScript(host, change, script, { timeoutMs: 900_000, ...options });
}
