import type { Action, Change, Undo } from '../../../src/core/change.ts';

/** A change that does one action; the rest of it is what a test does not care about. */
export function changeOf(
  action: Action,
  undo: Undo = { type: 'none', why: 'test' },
  more: Partial<Change> = {},
): Change {
  return {
    kind: 'file',
    target: 'x',
    summary: 'change x',
    before: '',
    after: '',
    action,
    holds: null,
    undo,
    risk: 'none',
    sensitive: false,
    factsAfter: [],
    invalidates: [],
    ...more,
  };
}
