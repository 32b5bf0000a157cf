/** What `up` tells while it works. A view (view/) shows it to a person or a machine. No event holds a secret. */
export type ReportEvent =
  | { type: 'plan'; phases: Array<{ id: string; title: string }> }
  | { type: 'phase-started'; phase: string; title: string; nodes: string[] }
  | { type: 'phase-finished'; phase: string; durationMs: number; skipped: boolean }
  | { type: 'phase-failed'; phase: string }
  | { type: 'node-finished'; phase: string; node: string }
  | {
      type: 'node-failed';
      phase: string;
      node: string;
      message: string;
      code: string;
      hint: string | undefined;
    }
  | {
      type: 'change';
      phase: string;
      node: string | undefined;
      change: string;
      /** Why: what differs between the server and what it should be. */
      reason: string | undefined;
      dryRun: boolean;
    }
  | { type: 'progress'; phase: string; node: string; message: string }
  | { type: 'warning'; node: string | undefined; message: string };

export type Report = (event: ReportEvent) => void;

/** Shows the events of a run; `finish` is awaited before the last words are printed. */
export interface View {
  report: Report;
  finish(): Promise<void>;
}
