import { EVENTS, EVENTS_V1 } from '../../../api/gen/resources.ts';
import type { Event as CoreEvent } from '../../../api/gen/types/core-v1.ts';
import type { Event } from '../../../api/gen/types/events-v1.ts';
import { invalid, required } from '../../field-error.ts';
import { define } from '../define.ts';
import type { TableColumn } from '../../resource-definition.ts';
import { EVENT_COLUMNS, checkEvent } from '../core/event-rules.ts';
import { checkImmutable } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';

/** The same event under the names of the first group. Mirrors pkg/apis/events/v1/conversion.go. */
export function toCoreEvent(event: Event): CoreEvent {
  const {
    regarding,
    note,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...same
  } = event;
  const core: CoreEvent = {
    ...same,
    apiVersion: 'v1',
    kind: 'Event',
    involvedObject: regarding ?? {},
  };
  if (note !== undefined) core.message = note;
  if (reportingController !== undefined) core.reportingComponent = reportingController;
  if (deprecatedSource !== undefined) core.source = deprecatedSource;
  if (deprecatedFirstTimestamp !== undefined) core.firstTimestamp = deprecatedFirstTimestamp;
  if (deprecatedLastTimestamp !== undefined) core.lastTimestamp = deprecatedLastTimestamp;
  if (deprecatedCount !== undefined) core.count = deprecatedCount;
  return core;
}

export function fromCoreEvent(core: CoreEvent): Event {
  const {
    involvedObject,
    message,
    reportingComponent,
    source,
    firstTimestamp,
    lastTimestamp,
    count,
    ...same
  } = core;
  const event = { ...same, apiVersion: 'events.k8s.io/v1', kind: 'Event' } as Event;
  if (involvedObject !== undefined) event.regarding = involvedObject;
  if (message !== undefined) event.note = message;
  if (reportingComponent !== undefined) event.reportingController = reportingComponent;
  if (source !== undefined) event.deprecatedSource = source;
  if (firstTimestamp !== undefined) event.deprecatedFirstTimestamp = firstTimestamp;
  if (lastTimestamp !== undefined) event.deprecatedLastTimestamp = lastTimestamp;
  if (count !== undefined) event.deprecatedCount = count;
  return event;
}

function checkSeries(errors: Errors, { series }: Event): void {
  if (!series) return;
  if (series.count < 2) errors.push(invalid('series.count', '', 'should be at least 2'));
  if (!series.lastObservedTime) errors.push(required('series.lastObservedTime'));
}

/** Mirrors ValidateEventCreate of pkg/apis/core/validation/events.go. */
function validateCreate(event: Event): Errors {
  const errors: Errors = [];
  checkEvent(errors, toCoreEvent(event), 'reportingController');
  checkSeries(errors, event);
  if (!event.eventTime) errors.push(required('eventTime'));
  if (event.type !== 'Normal' && event.type !== 'Warning') {
    errors.push(invalid('type', '', `has invalid value: ${event.type ?? ''}`));
  }
  const unset = (field: string, value: unknown) => {
    if (value) errors.push(invalid(field, '', 'needs to be unset'));
  };
  unset('firstTimestamp', event.deprecatedFirstTimestamp);
  unset('lastTimestamp', event.deprecatedLastTimestamp);
  unset('count', event.deprecatedCount);
  unset('source', event.deprecatedSource?.component || event.deprecatedSource?.host);
  return errors;
}

const FIXED = [
  ['involvedObject', 'regarding'],
  ['reason', 'reason'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['type', 'type'],
  ['eventTime', 'eventTime'],
  ['action', 'action'],
  ['related', 'related'],
  ['reportingController', 'reportingController'],
  ['reportingInstance', 'reportingInstance'],
] as const;

/** Of an event only its series goes on. */
function validateUpdate(event: Event, old: Event): Errors {
  const errors: Errors = [];
  checkEvent(errors, toCoreEvent(event), 'reportingController');
  checkSeries(errors, event);
  // Which of the two versions wrote it must not matter: one leaves out what is empty.
  for (const [path, field] of FIXED) {
    checkImmutable(errors, path, event[field] || undefined, old[field] || undefined);
  }
  return errors;
}

function fields(event: Event): Record<string, string> {
  const { regarding = {} } = event;
  return {
    'regarding.kind': regarding.kind ?? '',
    'regarding.namespace': regarding.namespace ?? '',
    'regarding.name': regarding.name ?? '',
    'regarding.uid': regarding.uid ?? '',
    'regarding.apiVersion': regarding.apiVersion ?? '',
    'regarding.resourceVersion': regarding.resourceVersion ?? '',
    'regarding.fieldPath': regarding.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingController: event.reportingController ?? '',
    type: event.type ?? '',
  };
}

/** Events in the newer group: the same objects. */
export const eventsV1 = define(EVENTS_V1, {
  shortNames: ['ev'],
  storedAs: {
    info: EVENTS,
    toStored: toCoreEvent,
    fromStored: (object) => fromCoreEvent(object as CoreEvent),
  },
  strategy: {
    allowCreateOnUpdate: true,
    generation: false,
    validateCreate,
    validateUpdate,
  },
  fields,
  selectableFields: Object.keys(fields({ metadata: {} } as Event)),
  columns: EVENT_COLUMNS.map((one): TableColumn<Event> => ({
    ...one,
    cell: (event, now) => one.cell(toCoreEvent(event), now),
  })),
});
