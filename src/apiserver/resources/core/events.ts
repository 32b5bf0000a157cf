import { EVENTS } from '../../../api/gen/resources.ts';
import { define } from '../define.ts';
import type { Errors } from '../validation/checks.ts';
import { EVENT_COLUMNS, EVENT_FIELDS, checkEvent, eventFields } from './event-rules.ts';

/** Events as the first group has them, and as all of them are stored. Mirrors pkg/registry/core/event/strategy.go. */
export const events = define(EVENTS, {
  shortNames: ['ev'],
  strategy: {
    anyFinalizer: true,
    // Whatever can stand in a path.
    validateName: () => [],
    allowCreateOnUpdate: true,
    generation: false,
    timeToLiveSeconds: 3600,
    validateCreate(event) {
      const errors: Errors = [];
      checkEvent(errors, event, 'reportingComponent');
      return errors;
    },
    validateUpdate(event) {
      const errors: Errors = [];
      checkEvent(errors, event, 'reportingComponent');
      return errors;
    },
  },
  fields: eventFields,
  selectableFields: EVENT_FIELDS,
  columns: EVENT_COLUMNS,
});
