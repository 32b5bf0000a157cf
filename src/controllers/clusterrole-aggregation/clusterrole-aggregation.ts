import { CLUSTERROLES } from '../../api/gen/resources.ts';
import type { ClusterRole, PolicyRule } from '../../api/gen/types/rbac-v1.ts';
import { selectorMatches } from '../../client/selectors.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { canonicalJson, equalJson, metaOf, nameOf } from '../shared/meta.ts';

/**
 * Fills the rules of ClusterRoles that are made of others. Mirrors
 * pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go.
 */
export const clusterRoleAggregationController: ControllerDefinition = {
  name: 'clusterrole-aggregation',
  inputs: ['clusterroles'],
  outputs: ['clusterroles'],
  start(context) {
    const roles = context.informers.for(CLUSTERROLES);
    const { queue, loop } = keyedLoop(context, {
      name: 'clusterrole-aggregation',
      workers: 1,
      async sync(name) {
        const role = roles.get(name);
        if (!role?.aggregationRule) return;
        const rules = aggregatedRules(role, roles.list());
        if (equalJson(rules, role.rules ?? [])) return;
        await context.client.update(CLUSTERROLES, { ...role, rules });
      },
    });
    // Any role may be a part of any other.
    const enqueueAll = (): void => {
      for (const role of roles.list()) if (role.aggregationRule) queue.add(nameOf(role));
    };
    roles.subscribe({
      added: enqueueAll,
      updated: (old, role) => {
        if (
          !equalJson(
            [old.rules, metaOf(old).labels, old.aggregationRule],
            [role.rules, metaOf(role).labels, role.aggregationRule],
          )
        )
          enqueueAll();
      },
      deleted: enqueueAll,
    });
    return [loop];
  },
};

/** The rules of all selected roles in the order of selectors and names, each once. */
function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const rules = new Map<string, PolicyRule>();
  const sorted = [...all].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    const selected = sorted.filter(
      (other) => nameOf(other) !== nameOf(role) && selectorMatches(selector, metaOf(other).labels),
    );
    for (const rule of selected.flatMap((other) => other.rules ?? [])) {
      const key = canonicalJson(rule);
      if (!rules.has(key)) rules.set(key, rule);
    }
  }
  return [...rules.values()];
}
