import { quote } from '../core/quote.ts';
import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** Which of some commands a host has. */
export type Commands = Readonly<Record<string, boolean>>;

/** Whether commands are there. The argument is the list of their names. */
export const commandsFact: Fact<readonly string[], Commands> = {
  name: 'commands',
  summary: 'which of some commands the host has',
  slow: false,
  read: (names) => [
    {
      part: 'here',
      sh: `for c in ${names.map(quote).join(' ')}; do if have "$c"; then printf '%s\\n' "$c"; fi; done`,
    },
  ],
  parse: parseCommands,
};

function parseCommands(parts: Parts, names: readonly string[]): Observed<Commands> {
  const part = parts.get('here');
  if (part === undefined || part.status !== 0) {
    return unknown(`commands could not be looked for: ${part?.errors || 'no answer'}`);
  }
  const here = new Set(part.text.split('\n'));
  return known(Object.fromEntries(names.map((name) => [name, here.has(name)])));
}
