import type { Event } from '../../../api/gen/types/core-v1.ts';
import { invalid, required } from '../../field-error.ts';
import type { TableColumn } from '../../resource-definition.ts';
import { column, nameColumn, translateAge } from '../columns.ts';
import { checkFormat } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain, qualifiedName } from '../validation/formats.ts';

const MAX_WORD = 128;
const MAX_NOTE = 1024;

/** What both groups' events must fulfil. Mirrors legacyValidateEvent of pkg/apis/core/validation/events.go. */
export function checkEvent(errors: Errors, event: Event, controllerField: string): void {
  const namespace = event.metadata?.namespace ?? '';
  const involved = event.involvedObject?.namespace ?? '';
  const field = 'involvedObject.namespace';
  const mismatch = 'does not match event.namespace';
  if (!event.eventTime) {
    const wrong = involved === '' ? namespace !== '' && namespace !== 'default' : namespace !== involved;
    if (wrong) errors.push(invalid(field, involved, mismatch));
  } else {
    if (involved === '' && namespace !== 'default' && namespace !== 'kube-system') {
      errors.push(invalid(field, involved, mismatch));
    }
    checkWords(errors, event, controllerField);
  }
  checkFormat(errors, 'namespace', namespace, dnsSubdomain(namespace));
}

function checkWords(errors: Errors, event: Event, controllerField: string): void {
  const controller = event.reportingComponent ?? '';
  if (controller === '') errors.push(required(controllerField));
  checkFormat(errors, controllerField, controller, qualifiedName(controller));
  for (const name of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[name] ?? '';
    if (value === '') errors.push(required(name));
    if (value.length > MAX_WORD) errors.push(invalid(name, '', `can have at most ${MAX_WORD} characters`));
  }
  if ((event.message ?? '').length > MAX_NOTE) {
    errors.push(invalid('message', '', `can have at most ${MAX_NOTE} characters`));
  }
}

export function eventFields(event: Event): Record<string, string> {
  const involved = event.involvedObject ?? {};
  return {
    'involvedObject.kind': involved.kind ?? '',
    'involvedObject.namespace': involved.namespace ?? '',
    'involvedObject.name': involved.name ?? '',
    'involvedObject.uid': involved.uid ?? '',
    'involvedObject.apiVersion': involved.apiVersion ?? '',
    'involvedObject.resourceVersion': involved.resourceVersion ?? '',
    'involvedObject.fieldPath': involved.fieldPath ?? '',
    reason: event.reason ?? '',
    reportingComponent: event.reportingComponent ?? '',
    source: event.source?.component || event.reportingComponent || '',
    type: event.type ?? '',
  };
}

export const EVENT_FIELDS = Object.keys(eventFields({ metadata: {}, involvedObject: {} }));

function firstSeen(event: Event, now: number): string {
  return translateAge(event.firstTimestamp || event.eventTime, now);
}

function lastSeen(event: Event, now: number): string {
  const last = event.series?.lastObservedTime || event.lastTimestamp;
  return last ? translateAge(last, now) : firstSeen(event, now);
}

function source({ source: from, reportingComponent, reportingInstance }: Event): string {
  const words = [
    from?.component || reportingComponent,
    from?.host || (from?.component ? '' : reportingInstance),
  ];
  return words.filter((word) => word).join(', ');
}

/** Mirrors printEvent of pkg/printers/internalversion/printers.go. */
export const EVENT_COLUMNS: ReadonlyArray<TableColumn<Event>> = [
  column('Last Seen', 'string', lastSeen),
  column('Type', 'string', ({ type }) => type ?? ''),
  column('Reason', 'string', ({ reason }) => reason ?? ''),
  column('Object', 'string', ({ involvedObject: object }) =>
    object?.name ? `${(object.kind ?? '').toLowerCase()}/${object.name}` : (object?.kind ?? '').toLowerCase(),
  ),
  column('Subobject', 'string', ({ involvedObject }) => involvedObject?.fieldPath ?? '', 'wide'),
  column('Source', 'string', source, 'wide'),
  column('Message', 'string', ({ message }) => (message ?? '').trim()),
  column('First Seen', 'string', firstSeen, 'wide'),
  column('Count', 'string', ({ series, count }) => String(series?.count ?? (count || 1)), 'wide'),
  { ...nameColumn<Event>(), priority: 1 },
];
