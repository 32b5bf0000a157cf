import { InvalidArgumentError, type Command } from 'commander';
import type { ApiServerOptions } from '../apiserver/api-server-options.ts';
import type { AuditOptions } from '../apiserver/audit/auditor.ts';
import { readPem } from './component.ts';
import { webhookTarget } from './webhook-target.ts';

export interface AuditFlags {
  auditPolicyFile?: string;
  auditLogPath?: string;
  auditLogMaxage: number;
  auditLogMaxbackup: number;
  auditLogMaxsize: number;
  auditWebhookConfigFile?: string;
  auditWebhookBatchBufferSize: number;
  auditWebhookBatchMaxSize: number;
  auditWebhookBatchMaxWait: number;
  auditWebhookInitialBackoff: number;
}

const MIB = 1024 * 1024;

export function addAuditFlags(command: Command): void {
  command
    .option('--audit-policy-file <file>', 'what of requests is recorded, as audit.k8s.io/v1 Policy')
    .option('--audit-log-path <file>', 'file with one JSON event a line')
    .option('--audit-log-maxage <days>', 'days after which old files go; 0 keeps them', count, 0)
    .option('--audit-log-maxbackup <count>', 'old files that are kept; 0 keeps all', count, 0)
    .option('--audit-log-maxsize <megabytes>', 'size at which a file is put aside', count, 100)
    .option('--audit-webhook-config-file <file>', 'kubeconfig of a server that takes events')
    .option('--audit-webhook-batch-buffer-size <count>', 'events that wait at most', count, 10_000)
    .option('--audit-webhook-batch-max-size <count>', 'events of one call at most', count, 400)
    .option('--audit-webhook-batch-max-wait <duration>', 'how long events wait for others', duration, 30_000)
    .option('--audit-webhook-initial-backoff <duration>', 'before the second try', duration, 10_000);
}

/** Nothing is recorded without a policy. */
export async function auditOptions(flags: AuditFlags): Promise<Pick<ApiServerOptions, 'audit'>> {
  if (!flags.auditPolicyFile || (!flags.auditLogPath && !flags.auditWebhookConfigFile)) return {};
  const audit: AuditOptions = { policy: await readPem(flags.auditPolicyFile) };
  if (flags.auditLogPath) {
    audit.log = {
      path: flags.auditLogPath,
      maxAgeDays: flags.auditLogMaxage,
      maxBackups: flags.auditLogMaxbackup,
      maxSizeBytes: (flags.auditLogMaxsize || 100) * MIB,
    };
  }
  if (flags.auditWebhookConfigFile) {
    audit.webhook = {
      target: webhookTarget(flags.auditWebhookConfigFile),
      bufferSize: flags.auditWebhookBatchBufferSize,
      batchMaxSize: flags.auditWebhookBatchMaxSize,
      batchMaxWaitMs: flags.auditWebhookBatchMaxWait,
      initialBackoffMs: flags.auditWebhookInitialBackoff,
    };
  }
  return { audit };
}

export function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

/** '10s', '1m30s', '500ms' in milliseconds. */
export function duration(text: string): number {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) {
    throw new InvalidArgumentError('It is a duration, e.g. 10s or 1m30s.');
  }
  return parts.reduce((sum, [, value, unit]) => sum + Number(value) * (units[unit ?? ''] ?? 0), 0);
}
