import { cleanLine } from '../core/clean.ts';
import type { RunEvent } from '../core/event.ts';
import type { Paint } from './paint.ts';
import { guardText, planText } from './text.ts';
import type { View, Write } from './view.ts';

/** One line for each thing that is done: for logs, where nothing can be drawn over. */
export function plainView(write: Write, paint: Paint): View {
  return { emit: (event) => write(lineFor(event, paint)), settled: async () => undefined };
}

function lineFor(event: RunEvent, paint: Paint): string {
  switch (event.type) {
    case 'phase':
      return '';
    case 'phase-done':
      return `${paint.green('✔')} ${event.phase}: ${cleanLine(event.detail)}\n`;
    case 'phase-failed':
      return `${paint.red('✖')} ${event.phase}: ${cleanLine(event.failure.what)}\n`;
    case 'plan':
      return `${planText(event, paint)}\n\n`;
    case 'change-started':
      return `  ${event.index}/${event.total} ${cleanLine(event.summary)}\n`;
    case 'change-done':
      return '';
    case 'armed':
      return `  ${guardText(event)}\n`;
    case 'reverting':
      return `  taking everything back: ${cleanLine(event.why)}\n`;
    case 'settled':
      return '';
    case 'notice':
      return `${cleanLine(event.text)}\n`;
  }
}
