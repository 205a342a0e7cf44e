import type { RunEvent } from '../core/event.ts';

/** Shows a run while it works. Renderers are interchangeable; none decides anything. */
export interface View {
  /** Takes an event; what it shows may come a moment later, but in order. */
  readonly emit: (event: RunEvent) => void;
  /** Resolves when everything emitted so far is on the screen: before a prompt, and at the end. */
  settled(): Promise<void>;
}

/** Writes text somewhere. */
export type Write = (text: string) => void;

/** A view that shows nothing, for `--output json`. */
export const silentView: View = {
  emit: () => undefined,
  settled: async () => undefined,
};

/** One JSON document for each event, on a line of its own. */
export function ndjsonView(write: Write): View {
  return {
    emit: (event) => {
      if (event.type !== 'plan') {
        write(`${JSON.stringify({ schema: 'remedy.event/1', ...event })}\n`);
      }
    },
    settled: async () => undefined,
  };
}
