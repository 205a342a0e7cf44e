import type { Change } from './change.ts';
import { SecretText, type Text } from './secret-text.ts';

/**
 * A sensitive change as everything behind the plan sees it: without a text that could be printed or
 * stored. Facts as it leaves them may hold the same text, so they count as unforeseen from here on.
 */
export function sealChange(change: Change): Change {
  if (!change.sensitive) {
    return change;
  }
  const { action, factsAfter, invalidates } = change;
  return {
    ...change,
    before: sealText(change.before),
    after: sealText(change.after),
    action:
      action.type === 'write' && action.content !== null
        ? { ...action, content: sealText(action.content) }
        : action,
    factsAfter: [],
    invalidates: [...new Set([...invalidates, ...factsAfter.map(({ key }) => key)])],
  };
}

function sealText(text: Text): Text {
  return typeof text === 'string' ? new SecretText(text) : text;
}
