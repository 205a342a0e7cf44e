import { createHash } from 'node:crypto';
import { createTwoFilesPatch } from 'diff';
import { cleanText } from '../core/clean.ts';
import type { Change } from '../core/change.ts';

/** The difference that a change makes, as a unified diff without a file header of dates. */
export function changeDiff(change: Change): string {
  const [before, after] = change.sensitive
    ? [digest(change.before), digest(change.after)]
    : [text(change, change.before), text(change, change.after)];
  const patch = createTwoFilesPatch(change.target, change.target, before, after, 'now', 'planned', {
    context: 3,
  });
  return cleanText(
    patch
      .replace(/^Index: .*\n=+\n/, '')
      .replace(/^(---|\+\+\+) (.*)\t(now|planned)$/gm, '$1 $2 ($3)'),
  );
}

// Files are carried byte by byte; people read them as UTF-8.
function text(change: Change, value: string): string {
  return change.action.type === 'write' ? Buffer.from(value, 'latin1').toString('utf8') : value;
}

function digest(value: string): string {
  return `sha256:${createHash('sha256').update(value, 'latin1').digest('hex')}\n`;
}
