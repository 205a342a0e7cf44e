import { InvalidValue } from './invalid-value.ts';

/** A command as data: the program and its arguments, never shell text. */
export type Argv = readonly [string, ...string[]];

const plain = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * Quotes one word for a POSIX shell (POSIX.1-2017, XCU 2.2.2): single quotes, and `'` as `'\''`.
 * This is the only place where a value becomes shell text.
 *
 * @throws InvalidValue when the word holds a NUL byte, which no argument can carry.
 */
export function quote(word: string): string {
  if (word.includes('\0')) {
    throw new InvalidValue('a command argument holds a NUL byte');
  }
  return plain.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Quotes a whole command for a POSIX shell. */
export function quoteArgv(argv: Argv): string {
  return argv.map(quote).join(' ');
}
