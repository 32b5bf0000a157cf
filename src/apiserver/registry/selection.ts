import { exactField, matchesFields, parseFieldSelector } from '../../api/field-selector.ts';
import type { FieldSelector } from '../../api/field-selector.ts';
import { matchesLabels, parseLabelSelector, SelectorError } from '../../api/label-selector.ts';
import type { LabelSelector } from '../../api/label-selector.ts';
import type { RequestInfo } from '../request-context.ts';
import { badRequest } from '../status-errors.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import type { ServedResource } from './served-resource.ts';

/** Which objects a list or watch is about. */
export interface Selection {
  /** No selector: whatever is in the namespace. */
  readonly everything: boolean;
  /** Keys of the cache begin with it. */
  keyPrefix(served: ServedResource): string;
  /** Whether the key is in the namespace, and has the name where one is asked for. */
  inScope(key: string): boolean;
  /** Whether the object meets the selectors; the key is in scope. */
  matches(served: ServedResource, entry: CacheEntry): boolean;
}

const META_FIELDS: ReadonlySet<string> = new Set(['metadata.name', 'metadata.namespace']);

/** Reads the selectors of a request; 400 for what is none, or for fields that the kind does not offer. */
export function parseSelection(served: ServedResource, info: RequestInfo): Selection {
  let labels: LabelSelector;
  let fields: FieldSelector;
  try {
    labels = parseLabelSelector(info.labelSelector);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
  try {
    fields = parseFieldSelector(info.fieldSelector);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
  const { selectableFields } = served.definition;
  for (const { field } of fields) {
    if (META_FIELDS.has(field) || selectableFields?.includes(field)) continue;
    throw badRequest(
      selectableFields
        ? `field label not supported: ${field}`
        : `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
    );
  }
  // A namespace named by a selector narrows the walk like one in the path.
  const wanted = exactField(fields, 'metadata.namespace');
  const namespace = served.info.namespaced ? info.namespace || (wanted ?? '') : '';
  return new RequestSelection(served, namespace, labels, fields);
}

class RequestSelection implements Selection {
  readonly everything: boolean;
  readonly #prefix: string;
  readonly #key: string | undefined;
  readonly #nameSuffix: string | undefined;
  readonly #labels: LabelSelector;
  readonly #fields: FieldSelector;
  readonly #readsObject: boolean;

  constructor(served: ServedResource, namespace: string, labels: LabelSelector, fields: FieldSelector) {
    this.#labels = labels;
    this.#fields = fields;
    this.everything = labels.length === 0 && fields.length === 0;
    const name = exactField(fields, 'metadata.name');
    this.#prefix = namespace === '' ? '' : `${namespace}/`;
    this.#key =
      name !== undefined && (namespace !== '' || !served.info.namespaced) ? this.#prefix + name : undefined;
    this.#nameSuffix = name === undefined ? undefined : `/${name}`;
    this.#readsObject = labels.length > 0 || fields.some(({ field }) => !META_FIELDS.has(field));
  }

  keyPrefix(): string {
    return this.#key ?? this.#prefix;
  }

  inScope(key: string): boolean {
    if (this.#key !== undefined) return key === this.#key;
    if (this.#prefix !== '' && !key.startsWith(this.#prefix)) return false;
    return this.#nameSuffix === undefined || key.endsWith(this.#nameSuffix);
  }

  matches(served: ServedResource, entry: CacheEntry): boolean {
    if (!this.inScope(entry.key)) return false;
    if (!this.#readsObject) return this.#metaMatches(entry);
    const object = served.object(entry);
    if (this.#labels.length > 0 && !matchesLabels(this.#labels, object.metadata?.labels)) return false;
    if (this.#fields.length === 0) return true;
    const own = served.definition.fields?.(object);
    return matchesFields(this.#fields, (field) => metaField(entry, field) ?? own?.[field]);
  }

  #metaMatches(entry: CacheEntry): boolean {
    return matchesFields(this.#fields, (field) => metaField(entry, field));
  }
}

function metaField(entry: CacheEntry, field: string): string | undefined {
  if (field === 'metadata.name') return entry.name;
  return field === 'metadata.namespace' ? entry.namespace : undefined;
}
