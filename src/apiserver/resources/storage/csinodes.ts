import { CSINODES } from '../../../api/gen/resources.ts';
import type { CSINode, CSINodeDriver } from '../../../api/gen/types/storage-v1.ts';
import { duplicate, invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkFormat, checkNonNegative, FIELD_IMMUTABLE, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { qualifiedName } from '../validation/formats.ts';
import { checkDriverName } from './driver-name.ts';

const MAX_NODE_ID = 256;

/** Mirrors ValidateCSINode of pkg/apis/storage/validation/validation.go. */
function validate({ spec }: CSINode): FieldError[] {
  const errors: Errors = [];
  const names = new Set<string>();
  for (const [index, driver] of (spec?.drivers ?? []).entries()) {
    const path = `spec.drivers[${index}]`;
    checkDriver(errors, path, driver);
    const name = driver.name ?? '';
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
  }
  return errors;
}

function checkDriver(errors: Errors, path: string, driver: CSINodeDriver): void {
  checkDriverName(errors, `${path}.name`, driver.name);
  const nodeId = driver.nodeID ?? '';
  if (nodeId === '') errors.push(required(`${path}.nodeID`));
  if (nodeId.length > MAX_NODE_ID) {
    errors.push(invalid(`${path}.nodeID`, nodeId, `must be ${MAX_NODE_ID} characters or less`));
  }
  checkNonNegative(errors, `${path}.allocatable.count`, driver.allocatable?.count);
  const keys = new Set<string>();
  for (const topologyKey of driver.topologyKeys ?? []) {
    if (topologyKey === '') errors.push(required(path));
    if (keys.has(topologyKey)) errors.push(duplicate(path, topologyKey));
    keys.add(topologyKey);
    checkFormat(errors, path, topologyKey, qualifiedName(topologyKey));
  }
}

/** Mirrors pkg/registry/storage/csinode/strategy.go. */
export const csinodes = define(CSINODES, {
  strategy: {
    returnsDeletedObject: true,
    allowUnconditionalUpdate: false,
    validateCreate: validate,
    validateUpdate(node, old) {
      const errors = validate(node);
      for (const before of old.spec?.drivers ?? []) {
        const now = node.spec?.drivers?.find(({ name }) => name === before.name);
        const { allocatable: _before, ...was } = before;
        const { allocatable: _now, ...is } = now ?? before;
        if (!sameJson(is, was)) errors.push(invalid('spec.drivers', is, FIELD_IMMUTABLE));
      }
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('Drivers', 'integer', ({ spec }) => spec?.drivers?.length ?? 0),
    ageColumn(),
  ],
});
