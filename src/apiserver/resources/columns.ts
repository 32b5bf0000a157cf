import type { LabelSelector } from '../../api/gen/types/meta-v1.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { TableColumn } from '../resource-definition.ts';

/** The first column of nearly every table. */
export function nameColumn<T extends KubeObject>(): TableColumn<T> {
  return { name: 'Name', type: 'string', format: 'name', cell: (object) => object.metadata?.name ?? '' };
}

export function ageColumn<T extends KubeObject>(): TableColumn<T> {
  return {
    name: 'Age',
    type: 'string',
    cell: (object, now) => translateAge(object.metadata?.creationTimestamp, now),
  };
}

/** A column; `wide` ones are shown with -o wide alone. */
export function column<T extends KubeObject>(
  name: string,
  type: TableColumn<T>['type'],
  cell: (object: T, now: number) => string | number | boolean | null,
  wide?: 'wide',
): TableColumn<T> {
  return wide ? { name, type, cell, priority: 1 } : { name, type, cell };
}

/** '5m', '3d4h': the time since a timestamp, or '<unknown>' without one. */
export function translateAge(timestamp: string | undefined, now: number): string {
  if (!timestamp) return '<unknown>';
  return humanDuration(now - Date.parse(timestamp));
}

/** Mirrors apimachinery pkg/util/duration/duration.go: about two digits of precision. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return withRest(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 192) return withRest(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return `${days}d`;
  const years = Math.trunc(days / 365);
  return days < 365 * 8 ? withRest(years, 'y', days % 365, 'd') : `${years}y`;
}

function withRest(count: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${count}${unit}` : `${count}${unit}${rest}${restUnit}`;
}

/** A map as `a=1,b=2` in order of key, or '<none>'. */
export function formatLabels(labels: Record<string, string> | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? '<none>' : entries.map(([name, value]) => `${name}=${value}`).join(',');
}

/** A label selector in the form of a query: `app=web,tier in (a,b)`, or '<none>'. */
export function formatSelector(selector: LabelSelector | undefined): string {
  if (!selector) return '<none>';
  const parts = Object.entries(selector.matchLabels ?? {}).map(([name, value]) => ({
    name,
    text: `${name}=${value}`,
  }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const list = `(${[...values].sort().join(',')})`;
    let text = `${key} ${operator === 'In' ? 'in' : 'notin'} ${list}`;
    if (operator === 'Exists') text = key;
    if (operator === 'DoesNotExist') text = `!${key}`;
    parts.push({ name: key, text });
  }
  parts.sort((a, b) => (a.name < b.name ? -1 : 1));
  return parts.length === 0 ? '<none>' : parts.map(({ text }) => text).join(',');
}

/** The containers' names and images of a pod spec, as wide columns show them. */
export function containerNames(spec: { containers?: Array<{ name: string }> } | undefined): string {
  return (spec?.containers ?? []).map((container) => container.name).join(',');
}

export function containerImages(spec: { containers?: Array<{ image?: string }> } | undefined): string {
  return (spec?.containers ?? []).map((container) => container.image ?? '').join(',');
}
