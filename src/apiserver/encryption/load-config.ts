import type { Clock } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import { followFile } from '../../base/follow-file.ts';
import type { FollowOptions } from '../../base/follow-file.ts';
import type { Logger } from '../../base/log.ts';
import type { EncryptedStorage } from './encrypted-storage.ts';
import { parseEncryptionConfig } from './encryption-config.ts';
import type { EncryptionConfig } from './encryption-config.ts';
import { GrpcKmsService } from './kms/grpc-kms-service.ts';
import { KmsProvider } from './kms/kms-provider.ts';

/** Reads a configuration and starts the services that it names. Errors: E_ENCRYPTION_CONFIG. */
export async function startEncryptionConfig(
  text: string,
  deps: { clock: Clock; log: Logger },
): Promise<EncryptionConfig> {
  const config = parseEncryptionConfig(text, (settings) => {
    const service = new GrpcKmsService({ ...settings, clock: deps.clock });
    return new KmsProvider({ name: settings.name, service, ...deps });
  });
  await Promise.all(config.services.map((service) => service.start()));
  return config;
}

/**
 * Uses each new content of the configuration's file, `text` being what is in use, as soon as all of its services are
 * well. Mirrors
 * --encryption-provider-config-automatic-reload of upstream (pkg/server/options/encryptionconfig/controller).
 */
export async function followEncryptionConfig(
  path: string,
  text: string,
  storage: EncryptedStorage,
  options: FollowOptions,
): Promise<void> {
  await followFile(path, text, options, async (changed) => {
    const config = await startEncryptionConfig(changed, options);
    const sick = config.services.find(({ problem }) => problem !== undefined);
    if (sick) {
      for (const service of config.services) service.close();
      throw new SlipwayError(
        'E_KMS',
        `the key management service ${sick.name} is not well: ${sick.problem}`,
        {
          hint: 'look at the plugin that serves the socket in the encryption configuration',
        },
      );
    }
    storage.replaceConfig(config);
  });
}
