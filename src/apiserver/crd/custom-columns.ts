import type { CustomResourceColumnDefinition } from '../../api/gen/types/apiextensions-v1.ts';
import type { KubeObject } from '../../api/resource.ts';
import { translateAge } from '../resources/columns.ts';
import type { TableColumn } from '../resource-definition.ts';
import { DEFAULT_COLUMNS } from '../respond/table.ts';
import { parseJsonPath, printValue } from './json-path.ts';

const AGE: CustomResourceColumnDefinition = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
};
const AGE_DESCRIPTION =
  'CreationTimestamp is the time at which the server created the object. It is RFC 3339 and in UTC.';

/** The columns of a custom kind's table. Mirrors registry/customresource/tableconvertor/tableconvertor.go. */
export function columnsOf(
  definitions: readonly CustomResourceColumnDefinition[] | undefined,
): ReadonlyArray<TableColumn<KubeObject>> {
  const [name] = DEFAULT_COLUMNS;
  const declared = definitions && definitions.length > 0 ? definitions : [AGE];
  return [name!, ...declared.map((definition) => columnOf(definition))];
}

function columnOf(definition: CustomResourceColumnDefinition): TableColumn<KubeObject> {
  const { name, type, format, priority, jsonPath } = definition;
  const path = parseJsonPath(jsonPath);
  const fallback =
    definition === AGE
      ? AGE_DESCRIPTION
      : `Custom resource definition column (in JSONPath format): ${jsonPath}`;
  return {
    name,
    type: type as TableColumn<KubeObject>['type'],
    ...(format ? { format } : {}),
    description: definition.description || fallback,
    ...(priority ? { priority } : {}),
    cell: (object, now) => cellOf(type, path?.find(object)[0], now),
  };
}

function cellOf(type: string, value: unknown, now: number): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'string':
      return printValue(value);
    case 'integer':
      return typeof value === 'number' || typeof value === 'bigint' ? Math.trunc(Number(value)) : null;
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value))
        ? translateAge(value, now)
        : '<invalid>';
    default:
      return null;
  }
}
