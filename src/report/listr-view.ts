import { Listr, type ListrTaskWrapper } from 'listr2';
import { cleanLine } from '../core/clean.ts';
import type { RunEvent } from '../core/event.ts';
import type { Paint } from './paint.ts';
import { guardText, planText } from './text.ts';
import type { View, Write } from './view.ts';

interface OpenPhase {
  readonly say: (output: string) => void;
  readonly finish: (title: string, failed: boolean) => void;
  readonly shown: Promise<void>;
}

/** The phases as a task list with spinners, for a person at a terminal. */
export function listrView(write: Write, paint: Paint): View {
  let queue: Promise<void> = Promise.resolve();
  let open: OpenPhase | null = null;
  const print = (text: string): void => {
    queue = queue.then(() => write(text));
  };
  const close = (title: string, failed: boolean): void => {
    open?.finish(title, failed);
    open = null;
  };
  const emit = (event: RunEvent): void => {
    switch (event.type) {
      case 'phase':
        open = startPhase(`${event.phase}: ${cleanLine(event.detail)}`, queue);
        queue = open.shown;
        return;
      case 'phase-done':
        return open === null
          ? print(`${paint.green('✔')} ${event.phase}: ${cleanLine(event.detail)}\n`)
          : close(`${event.phase}: ${cleanLine(event.detail)}`, false);
      case 'phase-failed':
        return close(`${event.phase}: ${cleanLine(event.failure.what)}`, true);
      case 'plan':
        return print(`\n${planText(event, paint)}\n\n`);
      case 'change-started':
        return open?.say(`${event.index}/${event.total} ${cleanLine(event.summary)}`);
      case 'change-done':
        return;
      case 'armed':
        return open?.say(guardText(event));
      case 'reverting':
        return open?.say(`taking everything back: ${cleanLine(event.why)}`);
      case 'settled':
        return;
      case 'notice':
        return print(`${cleanLine(event.text)}\n`);
    }
  };
  return { emit, settled: () => queue };
}

// The list runs as long as its one task; the task ends when the phase's last event says so.
function startPhase(title: string, before: Promise<void>): OpenPhase {
  let task: ListrTaskWrapper<unknown, never, never> | null = null;
  let end: { title: string; failed: boolean } | null = null;
  let wake: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const list = new Listr(
    [
      {
        title,
        task: async (_context, wrapper) => {
          task = wrapper as unknown as ListrTaskWrapper<unknown, never, never>;
          await ended;
          wrapper.title = end?.title ?? title;
          if (end?.failed === true) {
            throw new Error(end.title);
          }
        },
      },
    ],
    {
      exitOnError: false,
      rendererOptions: { collapseErrors: true, showErrorMessage: false },
      registerSignalListeners: false,
    },
  );
  return {
    say: (output) => {
      if (task !== null) {
        task.output = output;
      }
    },
    finish: (last, failed) => {
      end = { title: last, failed };
      wake();
    },
    shown: before.then(async () => {
      await list.run();
    }),
  };
}
