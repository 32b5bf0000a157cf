import { SlipwayError } from '../base/errors.ts';
import type { Storage } from '../storage/storage.ts';
import type { ComponentContext } from './component.ts';

export interface StoreFlags {
  dataDir?: string;
  storeQuotaBytes?: number;
  etcdServers?: string;
  etcdCafile?: string;
  etcdCertfile?: string;
  etcdKeyfile?: string;
}

/** Opens etcd where --etcd-servers names it, the embedded store in --data-dir otherwise. */
export async function openStore(flags: StoreFlags, context: ComponentContext): Promise<Storage> {
  const { clock, log } = context;
  const { dataDir, etcdServers, etcdCafile, etcdCertfile, etcdKeyfile, storeQuotaBytes } = flags;
  if ((dataDir === undefined) === (etcdServers === undefined)) {
    throw flagsError('one of --data-dir and --etcd-servers is needed, and not both');
  }
  if (dataDir !== undefined) {
    if (etcdCafile ?? etcdCertfile ?? etcdKeyfile) throw flagsError('--etcd-… files need --etcd-servers');
    const { EmbeddedStorage } = await import('../storage/embedded/embedded-storage.ts');
    const quota = storeQuotaBytes ? { quotaBytes: storeQuotaBytes } : {};
    return EmbeddedStorage.open(dataDir, { clock, log, ...quota });
  }
  if (storeQuotaBytes !== undefined)
    throw flagsError('--store-quota-bytes is of --data-dir; etcd has its own');
  if ((etcdCertfile === undefined) !== (etcdKeyfile === undefined)) {
    throw flagsError('--etcd-certfile and --etcd-keyfile go together');
  }
  if (etcdCertfile && !etcdCafile) throw flagsError('--etcd-certfile needs --etcd-cafile');
  const { EtcdStorage } = await import('../storage/etcd/etcd-storage.ts');
  const client = etcdCertfile && etcdKeyfile ? { certFile: etcdCertfile, keyFile: etcdKeyfile } : {};
  return EtcdStorage.open({
    endpoints: (etcdServers ?? '').split(',').map((url) => url.trim()),
    ...(etcdCafile ? { tls: { caFile: etcdCafile, ...client } } : {}),
    clock,
    log,
  });
}

function flagsError(message: string): SlipwayError {
  return new SlipwayError('E_STORE_FLAGS', message, {
    hint: 'See slipway-apiserver --help: --data-dir for the embedded store, --etcd-servers for etcd.',
  });
}
