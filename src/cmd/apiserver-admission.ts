import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { ApiServerOptions } from '../apiserver/api-server-options.ts';
import { count } from './apiserver-audit.ts';
import { readPem } from './component.ts';

export interface AdmissionFlags {
  enableAdmissionPlugins?: string;
  disableAdmissionPlugins?: string;
  admissionControlConfigFile?: string;
  enablePriorityAndFairness: boolean;
  maxRequestsInflight: number;
  maxMutatingRequestsInflight: number;
}

export function addAdmissionFlags(command: Command): void {
  command
    .option('--enable-admission-plugins <names>', 'plugins to run beside the usual ones, with commas between')
    .option('--disable-admission-plugins <names>', 'plugins not to run, with commas between')
    .option('--admission-control-config-file <file>', 'their settings, as AdmissionConfiguration')
    .option(
      '--enable-priority-and-fairness <boolean>',
      'limit requests by FlowSchemas',
      (text) => text !== 'false',
      true,
    )
    .option('--max-requests-inflight <count>', 'reads under way at once', count, 400)
    .option('--max-mutating-requests-inflight <count>', 'writes under way at once', count, 200);
}

type Limits = Pick<
  ApiServerOptions,
  'admission' | 'priorityAndFairness' | 'maxRequestsInflight' | 'maxMutatingRequestsInflight'
>;

export async function admissionOptions(flags: AdmissionFlags): Promise<Limits> {
  const { enableAdmissionPlugins = '', disableAdmissionPlugins = '', admissionControlConfigFile } = flags;
  const [{ DEFAULT_ADMISSION, parseAdmissionConfig }, { load }] = await Promise.all([
    import('../apiserver/admission/admission-config.ts'),
    import('js-yaml'),
  ]);
  const read = async (path: string): Promise<unknown> => load(await readPem(path));
  const settings =
    admissionControlConfigFile === undefined
      ? {}
      : await parseAdmissionConfig(await read(admissionControlConfigFile), (path) =>
          read(resolve(dirname(admissionControlConfigFile), path)),
        );
  const names = (list: string): string[] => list.split(',').filter((name) => name !== '');
  return {
    priorityAndFairness: flags.enablePriorityAndFairness,
    maxRequestsInflight: flags.maxRequestsInflight,
    maxMutatingRequestsInflight: flags.maxMutatingRequestsInflight,
    admission: {
      ...DEFAULT_ADMISSION,
      ...settings,
      enabled: names(enableAdmissionPlugins),
      disabled: names(disableAdmissionPlugins),
    },
  };
}
