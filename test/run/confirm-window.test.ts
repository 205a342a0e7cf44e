import { expect, test } from 'vitest';
import { confirmWindow } from '../../src/run/confirm-window.ts';

test.each([
  ['a quick host', null, 1500, 120],
  ['a host at the limit', null, 20_000, 120],
  ['a slow line', null, 90_000, 330],
  ['a look that took a whole day', null, 86_400_000, 86_400],
  ['what was asked for', 14, 90_000, 14],
])('%s', (_, wanted, lookMs, seconds) => {
  expect(confirmWindow(wanted, lookMs)).toBe(seconds);
});
