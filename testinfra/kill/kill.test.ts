import { expect, test } from 'vitest';
import { scenarios } from './scenarios.ts';
import { describeKills } from './short.ts';

// The short form. `kill.full.test.ts` strikes at fifty moments.
describeKills('ssh', scenarios);

test('there are four scenarios', () => {
  expect(scenarios).toHaveLength(4);
});
