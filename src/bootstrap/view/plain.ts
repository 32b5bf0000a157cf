import type { ReportEvent, View } from '../report.ts';

/** One line for each event that matters: for logs, pipes and terminals without a cursor. */
export function plainView(write: (line: string) => void): View {
  return {
    report: (event) => {
      const line = lineOf(event);
      if (line !== undefined) write(line);
    },
    finish: async () => {},
  };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function lineOf(event: ReportEvent): string | undefined {
  switch (event.type) {
    case 'phase-started':
      return `${event.title}${event.nodes.length > 0 ? ` (${event.nodes.join(', ')})` : ''}`;
    case 'change':
      return `  ${event.dryRun ? 'would ' : ''}${event.node === undefined ? '' : `${event.node}: `}${event.change}`;
    case 'progress':
      return `  ${event.node}: ${event.message}`;
    case 'warning':
      return `  warning: ${event.node === undefined ? '' : `${event.node}: `}${event.message}`;
    case 'node-failed':
      return `  FAILED ${event.message.startsWith(event.node) ? '' : `${event.node}: `}${event.message}`;
    case 'phase-finished':
      return event.durationMs >= 1000 ? `  done in ${seconds(event.durationMs)}` : undefined;
    default:
      return undefined;
  }
}
