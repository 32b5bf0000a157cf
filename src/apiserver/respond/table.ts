import type { KubeObject } from '../../api/resource.ts';
import type { TableColumn } from '../resource-definition.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { partialMetadata } from './partial-metadata.ts';

/** Whether the rows of a Table carry the objects. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

const NAME: TableColumn<KubeObject> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may ' +
    'allow a client to request the generation of an appropriate name automatically.',
  cell: (object) => object.metadata?.name ?? '',
};

const CREATED_AT: TableColumn<KubeObject> = {
  name: 'Created At',
  type: 'date',
  description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
  cell: (object) => object.metadata?.creationTimestamp ?? '<unknown>',
};

/** The columns of kinds that declare none, as upstream's default convertor has them. */
export const DEFAULT_COLUMNS: ReadonlyArray<TableColumn<KubeObject>> = [NAME, CREATED_AT];

export function columnsOf(served: ServedResource): ReadonlyArray<TableColumn<KubeObject>> {
  return served.definition.columns ?? DEFAULT_COLUMNS;
}

export function columnDefinitions(columns: ReadonlyArray<TableColumn<KubeObject>>): object[] {
  return columns.map((column) => ({
    name: column.name,
    type: column.type,
    format: column.format ?? '',
    description: column.description ?? '',
    priority: column.priority ?? 0,
  }));
}

export function tableRow(
  columns: ReadonlyArray<TableColumn<KubeObject>>,
  object: KubeObject,
  include: IncludeObject,
  metaVersion: string,
  now: number,
): object {
  const cells = columns.map((column) => column.cell(object, now));
  if (include === 'None') return { cells };
  return { cells, object: include === 'Object' ? object : partialMetadata(object, metaVersion) };
}

/** A whole Table; `metadata` is that of the list, or the object's version. */
export function table(
  served: ServedResource,
  objects: Iterable<KubeObject>,
  metadata: object,
  include: IncludeObject,
  metaVersion: string,
  now: number,
): object {
  const columns = columnsOf(served);
  const rows: object[] = [];
  for (const object of objects) rows.push(tableRow(columns, object, include, metaVersion, now));
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${metaVersion}`,
    metadata,
    columnDefinitions: columnDefinitions(columns),
    rows,
  };
}
