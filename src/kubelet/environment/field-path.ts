import type { Pod } from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import { nameOf, namespaceOf, specOf, uidOf } from '../pods/pod-spec.ts';

export interface FieldContext {
  pod: Pod;
  hostIps: string[];
  podIps: string[];
}

/** The text of a downward API field. Mirrors pkg/fieldpath and podFieldSelectorRuntimeValue. */
export function fieldValue(path: string, context: FieldContext): string {
  const { pod } = context;
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript) return pod.metadata?.[subscript[1] as 'labels' | 'annotations']?.[subscript[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return nameOf(pod);
    case 'metadata.namespace':
      return namespaceOf(pod);
    case 'metadata.uid':
      return uidOf(pod);
    case 'metadata.labels':
      return formatMap(pod.metadata?.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata?.annotations);
    case 'spec.nodeName':
      return specOf(pod).nodeName ?? '';
    case 'spec.serviceAccountName':
      return specOf(pod).serviceAccountName ?? '';
    case 'status.hostIP':
      return context.hostIps[0] ?? '';
    case 'status.hostIPs':
      return context.hostIps.join(',');
    case 'status.podIP':
      return context.podIps[0] ?? '';
    case 'status.podIPs':
      return context.podIps.join(',');
    default:
      throw new SlipwayError('E_FIELD_REF', `unsupported fieldPath: ${path}`);
  }
}

/** Lines of key="value", sorted, with Go's quoting: how upstream writes labels into a file. */
export function formatMap(map: Record<string, string> | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map((key) => `${key}=${goQuote(map?.[key] ?? '')}`)
    .join('\n');
}

/** strconv.Quote for texts of labels and annotations. */
function goQuote(text: string): string {
  let result = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === '"' || char === '\\') result += `\\${char}`;
    else if (char === '\n') result += '\\n';
    else if (char === '\t') result += '\\t';
    else if (char === '\r') result += '\\r';
    else if (code < 0x20 || code === 0x7f) result += `\\x${code.toString(16).padStart(2, '0')}`;
    else result += char;
  }
  return `${result}"`;
}
