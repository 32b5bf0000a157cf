import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import type { CustomKind } from './custom-kind.ts';
import type { FieldError } from './field-error.ts';
import type { ObjectDeleteOptions, ObjectStore } from './object-store.ts';
import type { ApiRequest, ApiResponse, RequestContext } from './request-context.ts';

/**
 * Everything that is special about a kind; a generic handler does the rest. Objects are plain JSON. Hooks
 * that prepare may change the object that they are given (it is the request's own copy); old objects come
 * from the cache and must not be changed. Mirrors the strategies of pkg/registry/<group>/<kind>/strategy.go.
 *
 * Order on create: decode → defaults → admission (mutating) → defaults → prepareForCreate → name, uid and
 * creationTimestamp → validateCreate → admission (validating) → beforeCreate → store → afterCreate.
 * Order on update: patch or replace → defaults → admission (mutating) → defaults → prepareForUpdate →
 * validateUpdate → admission (validating) → beforeUpdate → store → afterUpdate. An update that loses a race
 * is done again from its start on the newer object.
 */
export interface ResourceDefinition<T extends KubeObject = KubeObject> {
  readonly info: ResourceInfo<T>;
  /** Default: the kind in lower case. */
  readonly singularName?: string;
  /** Default: the kind with 'List' behind it. */
  readonly listKind?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  /** Verbs that are served. Default: create, delete, deletecollection, get, list, patch, update, watch. */
  readonly verbs?: readonly Verb[];
  /** For a Warning header on every request: this version goes away. */
  readonly deprecationWarning?: string;
  /** Left out of discovery. */
  readonly skipInDiscovery?: boolean;

  /**
   * Set for a kind that is answered but never stored (TokenReview, SubjectAccessReview): `create` computes
   * the answer. No storage hooks run.
   */
  readonly virtual?: {
    create(object: T, context: RequestContext, store: ObjectStore): Promise<T>;
  };

  /** Set for a kind that is worked out whenever it is read (ComponentStatus); only get and list are served. */
  readonly computed?: {
    /** The resource that a NotFound names. */
    readonly notFoundAs: string;
    get(name: string): Promise<T | undefined>;
    list(): Promise<T[]>;
  };

  /**
   * Set for a second version of a kind that is stored as another (events.k8s.io/v1 Event as v1 Event,
   * autoscaling/v1 as autoscaling/v2): both see the same objects. `fromStored(toStored(x))` keeps x.
   * The strategy that applies is the one of this definition; field selectors and columns too.
   */
  readonly storedAs?: {
    info: ResourceInfo;
    toStored(object: T): KubeObject;
    /** The argument is shared: it must not be changed. */
    fromStored(object: KubeObject): T;
    /**
     * Set where others convert: gives stored objects of whatever version in the form of this one, as
     * `fromStored` does, which then is never called.
     */
    readonly convertStored?: (objects: readonly KubeObject[]) => Promise<T[]>;
    /** Set where others convert: what `toStored` does, which then is never called. */
    readonly convertToStored?: (object: T) => Promise<KubeObject>;
    /** What was written after this revision is stored in just the form that this version serves. */
    readonly sameSince?: number;
  };

  /** Set for a kind that a CustomResourceDefinition declares: there is no schema of ours for it. */
  readonly custom?: CustomKind;

  readonly strategy?: ResourceStrategy<T>;
  readonly subresources?: ReadonlyArray<Subresource<T>>;

  /**
   * Field selectors that lists and watches accept beyond metadata.name and metadata.namespace: label →
   * value ('' where unset). Return every supported key for every object.
   */
  fields?(object: T): Record<string, string>;
  /** All keys of `fields`, to refuse others. Required with `fields`. */
  readonly selectableFields?: readonly string[];

  /** For `kubectl get`. Default: Name and Age. The first column is always the name. */
  readonly columns?: ReadonlyArray<TableColumn<T>>;
}

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** What strategies may look at. */
export interface StrategyContext {
  readonly request: RequestContext;
  /** Reads other objects (a Service's ServiceCIDR …). */
  readonly store: ObjectStore;
  readonly now: number;
}

export interface ResourceStrategy<T extends KubeObject> {
  /** Fills in what the user left out; idempotent. Runs on every object that a client sends. */
  defaults?(object: T): void;
  /** Clears what users may not set (status) and sets what a create implies. */
  prepareForCreate?(object: T, context: StrategyContext): void;
  /** Restores what an update of the main resource may not change (status), before validation. */
  prepareForUpdate?(object: T, old: T, context: StrategyContext): void;
  /** Beyond names, labels, annotations, owner references and finalizers, which the generic code checks. */
  validateCreate?(object: T, context: StrategyContext): FieldError[] | Promise<FieldError[]>;
  validateUpdate?(object: T, old: T, context: StrategyContext): FieldError[] | Promise<FieldError[]>;
  /** Texts for Warning headers. */
  warningsOnCreate?(object: T): string[];
  warningsOnUpdate?(object: T, old: T): string[];
  warningsOnDelete?(options: ObjectDeleteOptions): string[];
  /** Errors of the name, as `metadata.name: Invalid value`. Default: DNS subdomain. */
  validateName?(name: string, prefix: boolean): string[];
  /** Finalizers need neither be upstream's own nor have a domain in front of them. */
  readonly anyFinalizer?: boolean;

  /**
   * Whether metadata.generation counts changes: 1 at create, +1 when anything but metadata and status
   * changes. Default: true for kinds with a `spec` and a status subresource. A function decides by itself.
   */
  readonly generation?: boolean | ((object: T, old: T) => boolean);
  /** A PUT to a name that is not there creates it (leases, endpoints …). Default false. */
  readonly allowCreateOnUpdate?: boolean;
  /** A PUT without resourceVersion overwrites whatever is there. Default true, as upstream's most kinds. */
  readonly allowUnconditionalUpdate?: boolean;
  /** A deletion at once answers with the object rather than with a Status. Default false. */
  readonly returnsDeletedObject?: boolean;
  /** Objects that nobody touched for so long are deleted (events). */
  readonly timeToLiveSeconds?: number;
  /** Propagation where the request names none. Default 'background'. */
  readonly defaultPropagation?: 'orphan' | 'background' | 'foreground';

  /**
   * How a deletion with grace goes (pods). Given the options as the client sent them, returns the grace
   * period in seconds that applies; 0 deletes at once. May set fields on the object that is being deleted
   * (namespaces: status.phase). Without it every deletion is immediate.
   */
  gracePeriodSeconds?(object: T, options: ObjectDeleteOptions, context: StrategyContext): number;
  /**
   * Changes to the object when its deletion begins but does not remove it yet (namespace: phase
   * Terminating). Runs once, when deletionTimestamp is set.
   */
  beginDeletion?(object: T, context: StrategyContext): void;
  /**
   * Whether an object that has deletionTimestamp, no metadata.finalizers and no grace left may go.
   * Default true. Namespaces: spec.finalizers is empty.
   */
  readyToDelete?(object: T): boolean;

  /**
   * Last steps before the store: allocations that must be undone when the write fails. May change the
   * object. Returns an undo, called when the write does not happen (also for a dry run).
   */
  beforeCreate?(object: T, context: StrategyContext): Promise<Undo | undefined>;
  beforeUpdate?(object: T, old: T, context: StrategyContext): Promise<Undo | undefined>;
  /** After the object is really gone: release of allocations. Failures are logged, not answered. */
  afterDelete?(object: T, context: StrategyContext): Promise<void>;
  afterCreate?(object: T, context: StrategyContext): Promise<void>;
  afterUpdate?(object: T, old: T, context: StrategyContext): Promise<void>;
}

export type Undo = () => Promise<void> | void;

export type Subresource<T extends KubeObject> =
  | StatusSubresource<T>
  | ScaleSubresource<T>
  | ActionSubresource<T>
  | ConnectSubresource;

/**
 * A part of the same object, read with GET and written with PUT and PATCH: status, approval,
 * ephemeralcontainers, resize, finalize (which only takes PUT).
 */
export interface StatusSubresource<T extends KubeObject> {
  readonly type: 'part';
  readonly name: string;
  /** Default: get, patch, update. */
  readonly verbs?: ReadonlyArray<'get' | 'patch' | 'update'>;
  /** Takes over from `old` everything that this subresource may not change. Default for `status`: all but status and some metadata. */
  prepareForUpdate?(object: T, old: T, context: StrategyContext): void;
  validateUpdate?(object: T, old: T, context: StrategyContext): FieldError[] | Promise<FieldError[]>;
  /** Texts for Warning headers. */
  warningsOnUpdate?(object: T, old: T): string[];
  /** As of the strategy, for updates through here. */
  readonly anyFinalizer?: boolean;
  /** Whether this counts as a change of spec for metadata.generation. Default false. */
  readonly bumpsGeneration?: boolean;
}

/** autoscaling/v1 Scale over the object. */
export interface ScaleSubresource<T extends KubeObject> {
  readonly type: 'scale';
  readonly name: 'scale';
  read(object: T): { specReplicas: number; statusReplicas: number; selector: string };
  /** Where the replicas are in the object, as names of fields. Default: spec, replicas. */
  readonly replicasPath?: readonly string[];
  /** Sets spec.replicas on the object. */
  write(object: T, replicas: number): void;
}

/** Another kind on a path below the object: binding, eviction, token, log. */
export interface ActionSubresource<T extends KubeObject> {
  readonly type: 'action';
  readonly name: string;
  readonly verbs: ReadonlyArray<'create' | 'get' | 'update' | 'patch' | 'delete'>;
  /** What it takes and gives, for discovery and decoding of the body. */
  readonly kind: { group: string; version: string; kind: string };
  /** `body` is the decoded object of the request (undefined for GET); the answer is sent with `status` (default 200, create 201). */
  handle(request: ActionRequest<T>): Promise<{ object: KubeObject | StatusLike; status?: number }>;
}

export interface StatusLike {
  kind?: string;
  apiVersion?: string;
}

export interface ActionRequest<T extends KubeObject> {
  readonly namespace: string;
  readonly name: string;
  readonly body: KubeObject | undefined;
  readonly context: RequestContext;
  readonly store: ObjectStore;
  /** Reads the parent; rejects with NotFound. */
  parent(): Promise<T>;
  /** Runs admission on the body (mutating, then validating), as for CREATE of pods/binding. */
  admit(object: KubeObject): Promise<KubeObject>;
}

/** A stream to elsewhere: exec, attach, portforward, proxy, log. All methods that `verbs` name, HTTP/1.1 upgrades included. */
export interface ConnectSubresource {
  readonly type: 'connect';
  readonly name: string;
  /** HTTP methods in lower case; authorization's verb comes from the method (get → get, post → create). */
  readonly methods: readonly string[];
  readonly kind: { group: string; version: string; kind: string };
  /** 'CONNECT' admission runs with this options object. Default: built from the query. */
  options?(query: URLSearchParams): KubeObject;
  connect(request: ConnectRequest): Promise<void>;
}

export interface ConnectRequest {
  readonly namespace: string;
  readonly name: string;
  /** What follows '/proxy' in the path, with its leading slash; '' where there is none. */
  readonly rest: string;
  readonly http: ApiRequest;
  readonly response: ApiResponse;
  readonly context: RequestContext;
  readonly store: ObjectStore;
}

export interface TableColumn<T extends KubeObject> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** 'name' for the first column. */
  readonly format?: string;
  readonly description?: string;
  /** 0 is shown always, 1 with -o wide. Default 0. */
  readonly priority?: number;
  /** `now` is in epoch milliseconds; ages go through `translateAge`. */
  cell(object: T, now: number): string | number | boolean | null;
}
