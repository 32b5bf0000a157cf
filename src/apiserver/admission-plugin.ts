import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import type { ObjectStore } from './object-store.ts';
import type { RequestContext } from './request-context.ts';

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/** One operation under review. Mirrors apiserver pkg/admission/interfaces.go. */
export interface AdmissionAttributes {
  readonly operation: AdmissionOperation;
  readonly resource: ResourceInfo;
  readonly subresource: string;
  readonly namespace: string;
  /** May be '' for a create with generateName that has no name yet. */
  readonly name: string;
  /**
   * The object as sent and defaulted; undefined for DELETE. `admit` changes it in place or assigns another.
   * For CONNECT it is the options object (PodExecOptions …); for a subresource of another kind, that kind.
   */
  object: KubeObject | undefined;
  /** The stored object for UPDATE and DELETE: never to be changed. */
  readonly oldObject: KubeObject | undefined;
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions of the request. */
  readonly options: KubeObject | undefined;
  readonly context: RequestContext;
  /** Set by the chain for `admit`: what plugins that call others need to know of the first round. */
  reinvocation?: Reinvocation;
}

/**
 * Plugins that change an object as others tell them (webhooks, policies) may want to see what those after them
 * made of it: then all `admit`s run a second time. Mirrors apiserver pkg/admission/attributes.go.
 */
export interface Reinvocation {
  /** Whether this is the second round. */
  readonly again: boolean;
  /** Asks for the second round; nothing more in the second. */
  request(): void;
  /** What a plugin keeps from one round to the next, by its name. */
  readonly kept: Map<string, unknown>;
}

/**
 * A plugin reviews writes before they are stored. All `admit`s run first (they may change the object), then
 * the object is defaulted and validated, then all `validate`s run. Both refuse by throwing a StatusError;
 * `forbiddenRequest` is the usual one. They run again when an update is retried on a conflict.
 */
export interface AdmissionPlugin {
  readonly name: string;
  handles(attributes: AdmissionAttributes): boolean;
  admit?(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> | void;
  validate?(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> | void;
}
