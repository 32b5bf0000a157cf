import type { ConfigMap, Container, EnvVar, Pod, Secret } from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { namespaceOf, specOf } from '../pods/pod-spec.ts';
import { expand } from './expand.ts';
import { fieldValue, type FieldContext } from './field-path.ts';
import { resourceFieldValue } from './resource-field.ts';

export interface ObjectReader {
  configMap(namespace: string, name: string): Promise<ConfigMap>;
  secret(namespace: string, name: string): Promise<Secret>;
}

export interface EnvironmentContext extends FieldContext {
  reader: ObjectReader;
  /** Of serviceVariables(). */
  services: ReadonlyMap<string, string>;
  allocatable: Record<string, string>;
}

/**
 * The variables of a container: services, then envFrom, then env; later ones replace earlier ones of the
 * same name. Mirrors makeEnvironmentVariables of pkg/kubelet/kubelet_pods.go.
 */
export async function containerEnvironment(
  container: Container,
  context: EnvironmentContext,
): Promise<Map<string, string>> {
  const { pod, services } = context;
  const objects = new Objects(namespaceOf(pod), context.reader);
  const own = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    const reference = source.configMapRef ?? source.secretRef;
    if (!reference) continue;
    const kind = source.configMapRef ? 'ConfigMap' : 'Secret';
    const data = await objects.data(kind, reference.name ?? '', reference.optional ?? false);
    for (const [key, value] of data ?? []) own.set(`${source.prefix ?? ''}${key}`, value);
  }
  for (const variable of container.env ?? []) {
    const value = await variableValue(
      variable,
      container,
      context,
      objects,
      (name) => own.get(name) ?? services.get(name),
    );
    if (value !== undefined) own.set(variable.name, value);
  }
  return new Map([...services, ...own]);
}

async function variableValue(
  variable: EnvVar,
  container: Container,
  context: EnvironmentContext,
  objects: Objects,
  lookup: (name: string) => string | undefined,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (variable.value) return expand(variable.value, lookup);
  if (!from) return '';
  if (from.fieldRef) return fieldValue(from.fieldRef.fieldPath, context);
  if (from.resourceFieldRef) {
    return resourceFieldValue(from.resourceFieldRef, context.pod, container, context.allocatable);
  }
  const reference = from.configMapKeyRef ?? from.secretKeyRef;
  if (!reference) return '';
  const kind = from.configMapKeyRef ? 'ConfigMap' : 'Secret';
  const name = reference.name ?? '';
  const data = await objects.data(kind, name, reference.optional ?? false);
  const value = data?.get(reference.key);
  if (value === undefined && !(reference.optional ?? false)) {
    const where = `${kind} ${namespaceOf(context.pod)}/${name}`;
    throw new SlipwayError('E_ENV', `couldn't find key ${reference.key} in ${where}`);
  }
  return value;
}

/** Reads each object once for a container. */
class Objects {
  readonly #namespace: string;
  readonly #reader: ObjectReader;
  readonly #read = new Map<string, Map<string, string> | undefined>();

  constructor(namespace: string, reader: ObjectReader) {
    this.#namespace = namespace;
    this.#reader = reader;
  }

  async data(
    kind: 'ConfigMap' | 'Secret',
    name: string,
    optional: boolean,
  ): Promise<Map<string, string> | undefined> {
    const key = `${kind}/${name}`;
    if (!this.#read.has(key)) {
      try {
        this.#read.set(key, await this.#load(kind, name));
      } catch (error) {
        if (!(optional && isNotFound(error))) throw error;
        return undefined;
      }
    }
    return this.#read.get(key);
  }

  async #load(kind: 'ConfigMap' | 'Secret', name: string): Promise<Map<string, string>> {
    if (kind === 'ConfigMap') {
      const { data } = await this.#reader.configMap(this.#namespace, name);
      return new Map(Object.entries(data ?? {}));
    }
    const { data } = await this.#reader.secret(this.#namespace, name);
    return new Map(
      Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
    );
  }
}

/** Whether a pod wants variables of the services of its namespace. */
export const wantsServiceLinks = (pod: Pod): boolean => specOf(pod).enableServiceLinks ?? true;
