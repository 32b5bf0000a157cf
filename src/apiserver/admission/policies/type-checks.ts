import { CUSTOMRESOURCEDEFINITIONS, VALIDATINGADMISSIONPOLICIES } from '../../../api/gen/resources.ts';
import type { ValidatingAdmissionPolicy } from '../../../api/gen/types/admissionregistration-v1.ts';
import { schemaForKind } from '../../../api/schema.ts';
import type { ResourceInfo } from '../../../api/resource.ts';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { WorkQueue } from '../../../base/work-queue.ts';
import type { ObjectFeed } from '../../authz/object-feed.ts';
import { KindTypes } from '../../cel/kind-types.ts';
import { DeclaredTypes, declare } from '../../crd/rules/schema-types.ts';
import type { ObjectStore } from '../../object-store.ts';
import type { ResourceTable } from '../../registry/resource-table.ts';
import { typeWarnings } from './type-check.ts';
import type { TypedKind } from './type-check.ts';

const MAX_KINDS = 10;

/**
 * Says in the status of each ValidatingAdmissionPolicy what its expressions get wrong about the kinds that it
 * names. It lives in the API server, which has the schemas. Mirrors
 * pkg/controller/validatingadmissionpolicystatus/controller.go.
 */
export class PolicyTypeChecks {
  readonly #store: ObjectStore;
  readonly #table: ResourceTable;
  readonly #queue: WorkQueue;
  readonly #end: () => void;

  constructor(options: {
    store: ObjectStore;
    table: ResourceTable;
    feed: ObjectFeed;
    clock: Clock;
    log: Logger;
  }) {
    const { store, table, feed, clock, log } = options;
    this.#store = store;
    this.#table = table;
    this.#queue = new WorkQueue({
      clock,
      process: (name) => this.#sync(name),
      onError: (name, error) =>
        log.warn({ policy: name, error: messageOf(error) }, 'could not check the types of a policy'),
    });
    this.#end = feed.follow(VALIDATINGADMISSIONPOLICIES, {
      set: (policy) => {
        if (isDue(policy)) this.#queue.add(policy.metadata?.name ?? '');
      },
      deleted: () => undefined,
    });
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#queue.stop();
  }

  async #sync(name: string): Promise<void> {
    const policy = await this.#store.get(VALIDATINGADMISSIONPOLICIES, name);
    if (!policy || !isDue(policy)) return;
    const kinds = await Promise.all(this.#kindsOf(policy).map((info) => this.#typed(info)));
    const known = kinds.filter((kind) => kind !== undefined);
    const warnings = typeWarnings(policy, known, await this.#params(policy));
    const { generation } = policy.metadata ?? {};
    await this.#store.update(VALIDATINGADMISSIONPOLICIES, name, undefined, (current) =>
      current.metadata?.uid === policy.metadata?.uid && current.metadata?.generation === generation
        ? {
            ...current,
            status: {
              ...current.status,
              ...(generation === undefined ? {} : { observedGeneration: generation }),
              typeChecking: warnings.length > 0 ? { expressionWarnings: warnings } : {},
            },
          }
        : undefined,
    );
  }

  /** What the rules name without wildcards, in order; subresources have kinds of their own. */
  #kindsOf({ spec }: ValidatingAdmissionPolicy): ResourceInfo[] {
    const found = new Map<string, ResourceInfo>();
    for (const rule of spec?.matchConstraints?.resourceRules ?? []) {
      const groups = rule.apiGroups ?? [];
      const versions = rule.apiVersions ?? [];
      if ([...groups, ...versions].some((each) => each.includes('*'))) continue;
      const resources = (rule.resources ?? []).filter((each) => !/[*/]/.test(each)).toSorted();
      for (const group of groups.toSorted())
        for (const version of versions.toSorted())
          for (const resource of resources) {
            const info = this.#table.find(group, version, resource)?.info;
            if (info && found.size < MAX_KINDS) found.set(`${group}/${version}/${info.kind}`, info);
          }
    }
    return [...found.values()].toSorted(byKind);
  }

  async #params({ spec }: ValidatingAdmissionPolicy): Promise<TypedKind | undefined> {
    const { paramKind } = spec ?? {};
    if (!paramKind) return undefined;
    const served = this.#table
      .all()
      .find(({ info }) => info.kind === paramKind.kind && groupVersionOf(info) === paramKind.apiVersion);
    return served && this.#typed(served.info);
  }

  async #typed(info: ResourceInfo): Promise<TypedKind | undefined> {
    const { group, version, kind } = info;
    const builtIn = schemaForKind(group, version, kind);
    if (builtIn) return { group, version, kind, types: new KindTypes(builtIn) };
    const name = `${info.resource}.${group}`;
    const definition = await this.#store.get(CUSTOMRESOURCEDEFINITIONS, name);
    const schema = definition?.spec?.versions?.find((each) => each.name === version)?.schema?.openAPIV3Schema;
    if (!schema) return undefined;
    const declared = declare(schema, true);
    return {
      group,
      version,
      kind,
      types: declared && new DeclaredTypes(declared, `${group}.${version}.${kind}`),
    };
  }
}

const isDue = ({ metadata, status }: ValidatingAdmissionPolicy): boolean =>
  (metadata?.generation ?? 0) > (status?.observedGeneration ?? 0);

const groupVersionOf = ({ group, version }: ResourceInfo): string =>
  group === '' ? version : `${group}/${version}`;

function byKind(a: ResourceInfo, b: ResourceInfo): number {
  const [first, second] = [a, b].map(({ group, version, kind }) => `${group} ${version} ${kind}`);
  return (first ?? '') < (second ?? '') ? -1 : 1;
}
