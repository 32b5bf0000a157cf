import { PRIORITYCLASSES } from '../../../api/gen/resources.ts';
import type { ObjectStore } from '../../object-store.ts';
import { StatusError } from '../../status-errors.ts';
import { SYSTEM_PRIORITY_CLASSES } from './priorityclasses.ts';

/** Makes the cluster's own priority classes where they are missing. Mirrors pkg/registry/scheduling/rest/storage_scheduling.go. */
export async function ensureSystemPriorityClasses(store: ObjectStore): Promise<void> {
  for (const priority of SYSTEM_PRIORITY_CLASSES) {
    if (await store.getFresh(PRIORITYCLASSES, priority.metadata?.name ?? '')) continue;
    try {
      await store.create(PRIORITYCLASSES, priority);
    } catch (error) {
      // Another server was faster.
      if (!(error instanceof StatusError) || error.reason !== 'AlreadyExists') throw error;
    }
  }
}
