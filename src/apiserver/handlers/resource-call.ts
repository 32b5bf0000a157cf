import type { RegistryEnv } from '../registry/registry-env.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { RequestContext } from '../request-context.ts';
import { negotiate } from '../respond/representation.ts';
import type { Representation } from '../respond/representation.ts';
import type { SendTarget } from '../respond/send.ts';
import type { WatchHub } from '../watch/watch-hub.ts';

/** One request for one resource, ready to be handled. */
export interface ResourceCall {
  readonly env: RegistryEnv;
  readonly hub: WatchHub;
  readonly served: ServedResource;
  readonly context: RequestContext;
  readonly target: SendTarget;
  /** Rejects unless the user may create, too: for a write that creates what is not there. */
  authorizeCreate(): Promise<void>;
}

/** Whether protobuf is offered: all built-in kinds have it, custom ones do not. */
function hasProtobuf(call: ResourceCall): boolean {
  return call.served.hasProtobuf;
}

/** The form of an answer with one object. */
export function negotiateObject(call: ResourceCall): Representation {
  const as = call.served.definition.virtual ? [] : (['', 'Table', 'PartialObjectMetadata'] as const);
  return negotiate(call.context.http, { protobuf: hasProtobuf(call), as });
}

/** The form of a list. */
export function negotiateList(call: ResourceCall): Representation {
  return negotiate(call.context.http, {
    protobuf: hasProtobuf(call),
    as: ['', 'Table', 'PartialObjectMetadataList'],
  });
}

/** The form of a watch's events. */
export function negotiateWatch(call: ResourceCall): Representation {
  return negotiate(call.context.http, {
    protobuf: hasProtobuf(call),
    as: ['', 'Table', 'PartialObjectMetadata'],
  });
}

/** The form of an answer of another kind (Scale, Binding …), which has no Table. */
export function negotiatePlain(call: ResourceCall): Representation {
  return negotiate(call.context.http, { protobuf: hasProtobuf(call), as: [] });
}
