import { createTwoFilesPatch } from 'diff';
import { cleanText } from '../core/clean.ts';
import type { Change } from '../core/change.ts';
import { digestOf, type Text } from '../core/secret-text.ts';

/** The difference that a change makes, as a unified diff without a file header of dates. */
export function changeDiff(change: Change): string {
  const before = shown(change, change.before);
  const after = shown(change, change.after);
  const patch = createTwoFilesPatch(change.target, change.target, before, after, 'now', 'planned', {
    context: 3,
  });
  return cleanText(
    patch
      .replace(/^Index: .*\n=+\n/, '')
      .replace(/^(---|\+\+\+) (.*)\t(now|planned)$/gm, '$1 $2 ($3)'),
  );
}

function shown({ sensitive, action }: Change, value: Text): string {
  if (sensitive || typeof value !== 'string') {
    return `sha256:${digestOf(value)}\n`;
  }
  // Files are carried byte by byte; people read them as UTF-8.
  return action.type === 'write' ? Buffer.from(value, 'latin1').toString('utf8') : value;
}
